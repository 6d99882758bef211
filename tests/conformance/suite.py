"""Runs the official conformance suite against a URL, or a client command against the suite, and reads its verdicts."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.node import environment, node, script

ROOT = Path(__file__).parents[2]
MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
TIMEOUT = 240.0
_STAMP = re.compile(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One scenario: how many of its checks came out how, and what the failed and the warned ones said."""

    scenario: str
    passed: int = 0
    failed: int = 0
    warned: int = 0
    skipped: int = 0
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the suite. A run without any verdict is reported as one failure that holds its output."""

    revision: str
    verdicts: tuple[Verdict, ...]
    output: str

    @property
    def passed(self) -> int:
        return sum(v.passed for v in self.verdicts)

    @property
    def failed(self) -> int:
        return sum(v.failed for v in self.verdicts)

    @property
    def warned(self) -> int:
        return sum(v.warned for v in self.verdicts)

    @property
    def skipped(self) -> int:
        return sum(v.skipped for v in self.verdicts)

    def complaints(self) -> list[str]:
        return [f"{v.scenario}: {complaint}" for v in self.verdicts for complaint in v.complaints]


def run_server(url: str, revision: str, scenario: str | None = None) -> Report:
    """The whole suite (or one scenario) as a client of `url`, on the wire of one revision."""
    selection = ["--scenario", scenario] if scenario else ["--suite", "all"]
    return _run(["server", "--url", url, *selection], revision, {})


def run_client(command: str, revision: str, scenario: str, extra: Mapping[str, str] | None = None) -> Report:
    """One scenario as the server of `command`, which gets the server's URL as its last argument.

    Forced: those of extensions belong to no revision and would be skipped.
    """
    arguments = ["client", "--command", command, "--scenario", scenario, "--timeout", "60000", "--force"]
    return _run(arguments, revision, extra or {})


def _run(arguments: list[str], revision: str, extra: Mapping[str, str]) -> Report:
    suite = script("@modelcontextprotocol/conformance", "dist", "index.js")
    with tempfile.TemporaryDirectory(prefix="conformance-") as results:
        command = [node(), str(suite), *arguments, "--spec-version", revision, "-o", results]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**environment(), **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        verdicts = tuple(_verdict(path) for path in sorted(Path(results).rglob("checks.json")))
        errors = "".join(path.read_text() for path in sorted(Path(results).rglob("stderr.txt")))
    output = done.stdout + errors
    if not verdicts:
        verdicts = (Verdict("(no verdict)", failed=1, complaints=(output[-2000:],)),)
    return Report(revision, verdicts, output)


def _verdict(path: Path) -> Verdict:
    name = _STAMP.sub("", path.parent.name).removeprefix("server-")
    checks: list[dict[str, Any]] = json.loads(path.read_text())
    counts = Counter(str(check["status"]) for check in checks)
    return Verdict(
        scenario=name,
        passed=counts["SUCCESS"],
        failed=counts["FAILURE"],
        warned=counts["WARNING"],
        skipped=counts["SKIPPED"],
        complaints=tuple(_complaints(checks)),
    )


def _complaints(checks: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for check in checks:
        if check["status"] in ("FAILURE", "WARNING"):
            said = check.get("errorMessage") or check.get("description") or ""
            yield f"{check['status']} {check['id']}: {said}"
