"""`python -m tests.conformance`: the official suite through a virtual server, and against the gateway as a client.

Exit code 1 unless every run reaches its required totals.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from tests.conformance import auth_driver, node
from tests.conformance.client_driver import SCENARIOS
from tests.conformance.required import Run, client_run, server_run
from tests.conformance.suite import HANDSHAKE, MODERN, Verdict


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--direct", action="store_true", help="without the gateway: what the fixtures alone reach")
    parser.add_argument("--peer", choices=["fastmcp"], help="run a peer's proxy as well and print it beside ours")
    parser.add_argument("--revision", choices=[MODERN, HANDSHAKE], help="one revision only")
    parser.add_argument("--only", choices=["server", "client"], help="one direction only")
    parser.add_argument("--scenario", help="one scenario only; required totals do not apply")
    parser.add_argument("--upstream", help="the version of the upstream leg, instead of the revision's own")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def runs(options: argparse.Namespace) -> Iterator[Run]:
    """Every run that the options ask for, one after the other."""
    revisions = [options.revision] if options.revision else [MODERN, HANDSHAKE]
    systems = ["direct" if options.direct else "gateway", *([options.peer] if options.peer else [])]
    known = list(SCENARIOS) if options.direct else [*SCENARIOS, *auth_driver.SCENARIOS]
    clients = [(revision, name) for revision, name in known if options.revision in (None, revision)]
    if options.scenario:
        clients = [(revision, name) for revision, name in clients if name == options.scenario]
    if options.only != "client" and not (options.scenario and clients):
        for revision in revisions:
            for system in systems:
                yield server_run(system, revision, scenario=options.scenario, upstream=options.upstream)
    if options.only != "server":
        for revision, name in clients:
            yield client_run(revision, name, direct=options.direct)


def print_run(run: Run) -> None:
    report = run.report
    print(f"\n{run.title}", flush=True)
    for verdict in report.verdicts:
        print(f"  {_mark(verdict)} {verdict.scenario:46} {_figures(verdict)}")
        for complaint in verdict.complaints:
            print(f"      {complaint}")
    required = f", required {run.required} passed and none failed" if run.required else ""
    print(f"  total: {report.passed} passed, {report.failed} failed{required}: {'ok' if run.ok else 'NOT REACHED'}")


def print_comparison(done: Iterable[Run]) -> None:
    print("\npassed/failed (warned, skipped)")
    for run in done:
        report = run.report
        print(f"  {run.title:64} {report.passed}/{report.failed} ({report.warned}, {report.skipped})")


def _mark(verdict: Verdict) -> str:
    return "✗" if verdict.failed else "!" if verdict.warned else "✓"


def _figures(verdict: Verdict) -> str:
    return f"{verdict.passed} passed, {verdict.failed} failed, {verdict.warned} warned, {verdict.skipped} skipped"


def as_json(run: Run) -> dict[str, object]:
    report = run.report
    totals = {"passed": report.passed, "failed": report.failed, "warned": report.warned, "skipped": report.skipped}
    return {
        "run": run.title,
        "system": run.system,
        "direction": run.direction,
        "revision": report.revision,
        "totals": totals,
        "required": run.required,
        "ok": run.ok,
        "scenarios": [asdict(verdict) for verdict in report.verdicts],
    }


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    if options.peer and importlib.util.find_spec("fastmcp") is None:
        print("FastMCP is not installed: its figures are left out", file=sys.stderr)
        options.peer = None
    if not node.installed():
        node.install()
    done: list[Run] = []
    for run in runs(options):
        done.append(run)
        if not options.json:
            print_run(run)
    if options.json:
        print(json.dumps([as_json(run) for run in done], indent=2))
    else:
        print_comparison(done)
    return 0 if done and all(run.ok for run in done if run.ours) else 1


if __name__ == "__main__":
    sys.exit(main())
