"""Runs of the suite together with what they must reach."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

from tests.conformance.suite import HANDSHAKE, MODERN, Report, run_client, run_server
from tests.conformance.systems import everything, fastmcp_proxy, gateway

REQUIRED = {MODERN: 151, HANDSHAKE: 83}
"""Checks that must pass through the gateway, by revision; none may fail."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the suite. `required` is 0 where only the absence of failures counts."""

    system: str
    direction: str
    report: Report
    required: int = 0
    note: str = ""

    @property
    def title(self) -> str:
        return f"{self.direction} {self.report.revision} · {self.system}{self.note}"

    @property
    def ours(self) -> bool:
        """Whether its outcome counts: a peer's does not."""
        return self.system in ("gateway", "direct")

    @property
    def ok(self) -> bool:
        return self.report.failed == 0 and self.report.passed >= max(self.required, 1)


def server_run(system: str, revision: str, *, scenario: str | None = None, upstream: str | None = None) -> Run:
    """The suite against `gateway`, `fastmcp` or the everything server itself (`direct`)."""
    protocol = upstream or ("auto" if revision == MODERN else revision)
    with everything() as origin:
        if system == "direct":
            report = run_server(origin, revision, scenario)
        elif system == "fastmcp":
            with fastmcp_proxy(origin) as proxy:
                report = run_server(proxy, revision, scenario)
        else:
            with gateway(origin, protocol=protocol) as url:
                report = run_server(url, revision, scenario)
    whole = scenario is None and upstream is None
    note = f" → {upstream}" if upstream and system == "gateway" else ""
    return Run(system, "server", report, REQUIRED[revision] if whole else 0, note)


def client_run(revision: str, scenario: str, *, direct: bool = False) -> Run:
    """One scenario against the gateway as a client, or against the driver's client alone."""
    command = f"{shlex.quote(sys.executable)} -m tests.conformance.client_driver"
    report = run_client(command, revision, scenario, {"CONFORMANCE_DIRECT": "1"} if direct else None)
    return Run("direct" if direct else "gateway", "client", report, note=f" · {scenario}")
