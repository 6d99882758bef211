"""`python -m tests.bench`: throughput and latency of the gateway, next to no gateway and to a plain forwarder.

The last line on standard output is one JSON object; ./bench.json holds the same. Exit code 1 for wrong answers, and
with --strict for a missed target.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console

from tests.bench import hotspots, table
from tests.bench.core import gauge
from tests.bench.measure import DEFAULT, QUICK, Plan, Round, added, figures, run_round, spread, wrong
from tests.bench.models import LLM, LLM_DIRECT, LLM_FORWARDER, LLM_GOVERNED, ModelScenario
from tests.bench.models_report import model_figures
from tests.bench.peers import installed, peer_of_models
from tests.bench.processes import Cores, Gateway, announced, gateway, machine, mint, pinned
from tests.bench.scenarios import (
    DIRECT,
    FORWARDER,
    GOVERNED,
    GUARDED,
    IDENTITY,
    OBSERVED,
    OPEN,
    PEER,
    SIGNED_IN,
    Measured,
    Scenario,
    chosen,
)
from tests.bench.sites import SITES
from tests.bench.targets import Report

COLD_STARTS = 3
YARDSTICKS = (DIRECT, FORWARDER, LLM_DIRECT, LLM_FORWARDER)
WIDTH = 150
PROFILED = "open_new_json_c32"


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: under a minute, noisier")
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one, or those of a system; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="only the line of JSON")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a target is missed")
    parser.add_argument("--peer", choices=[PEER], help="measure a peer's proxy as well")
    parser.add_argument("--profile", action="store_true", help=f"where the time goes in one ({PROFILED})")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="default: %(default)s")
    options = parser.parse_args(argv)
    if options.peer and importlib.util.find_spec("fastmcp") is None:
        print("FastMCP is not installed: its figures are left out", file=sys.stderr)
        options.peer = None
    try:
        options.chosen = chosen(options.scenario, peer=options.peer is not None, peers=installed())
    except ValueError as error:
        parser.error(str(error))
    return options


@contextlib.contextmanager
def systems(
    home: Path, cores: Cores, upstream: int, scenarios: Sequence[Measured]
) -> Iterator[tuple[dict[str, int], dict[str, Gateway], str]]:
    """The ports of all that the scenarios need, the gateways among them by system, and a person's token."""
    with contextlib.ExitStack() as running:
        forwarder = running.enter_context(announced(cores.gateway, "tests.bench.forwarder", str(upstream)))
        own = running.enter_context(gateway(home, cores.gateway, upstream))
        ports = {DIRECT: upstream, FORWARDER: forwarder, OPEN: own.port}
        gateways, token = {OPEN: own}, ""
        models = {one.system for one in scenarios if isinstance(one, ModelScenario)}
        if models:
            provider = ports[LLM_DIRECT] = running.enter_context(announced(cores.upstream, "tests.bench.provider"))
            ports[LLM_FORWARDER] = running.enter_context(
                announced(cores.gateway, "tests.bench.forwarder", str(provider))
            )
            for name in models.intersection(installed()):
                ports[name] = running.enter_context(peer_of_models(name, home, cores.gateway, provider))
        wanted = {one.system for one in scenarios}.intersection(SIGNED_IN)
        if wanted:
            issuer = running.enter_context(announced(cores.upstream, "tests.bench.issuer"))
            token = mint(issuer)
            for name in sorted(wanted):
                behind = ports[LLM_DIRECT] if name == LLM_GOVERNED else upstream
                collector = None
                if name == OBSERVED:
                    collector = running.enter_context(announced(cores.upstream, "tests.bench.collector"))
                begun = gateway(home / name, cores.gateway, behind, issuer=issuer, system=name, collector=collector)
                gateways[name] = running.enter_context(begun)
                ports[name] = gateways[name].port
        proxied = {one.cell.site.name for one in scenarios if isinstance(one, Scenario) and one.system == PEER}
        for site in SITES:
            if site.name in proxied:
                url = f"http://127.0.0.1:{upstream}{site.path}"
                peer = announced(cores.gateway, "tests.conformance.peer_fastmcp", url)
                ports[f"{PEER}-{site.name}"] = running.enter_context(peer)
        yield ports, gateways, token


def measure(console: Console, scenarios: Sequence[Measured], plan: Plan) -> Report:
    """Start everything, run the rounds, report."""
    cores = Cores.available()
    about, before = machine(cores), gauge(cores.gateway)
    with (
        pinned(cores.load),
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        announced(cores.upstream, "tests.bench.upstream") as upstream,
    ):
        console.print("cold starts", style="dim")
        starts = [_cold_start(Path(home), cores, upstream) for _ in range(COLD_STARTS)]
        with systems(Path(home), cores, upstream, scenarios) as (ports, own, token):
            rounds = [
                _round(console, number, scenarios, ports, plan, own, token) for number in range(1, plan.rounds + 1)
            ]
            rss = {name: round(one.rss_mb(), 1) for name, one in own.items()}
    about["core"] = {"before": before._asdict(), "after": gauge(cores.gateway)._asdict()}
    return Report(
        scenarios={one.name: figures(one, rounds) for one in scenarios},
        rss_mb=max(size for name, size in rss.items() if name not in (GUARDED, OBSERVED, LLM_GOVERNED)),
        guarded_rss_mb=rss.get(GUARDED),
        cold_start_s=round(median(starts), 3),
        machine=about,
        noise={one.name: round(spread(one, rounds), 3) for one in scenarios if one.system in YARDSTICKS},
        wrong={name: len(problems) for name, problems in _complain(console, rounds).items()},
        identity_added_ms=added_by(IDENTITY, OPEN, scenarios, rounds),
        guarded_added_ms=added_by(GUARDED, GOVERNED, scenarios, rounds),
        observed_added_ms=added_by(OBSERVED, GOVERNED, scenarios, rounds),
        llm=model_figures(rounds, rss.get(LLM_GOVERNED)),
    )


def added_by(
    system: str, other: str, scenarios: Sequence[Measured], rounds: Sequence[Round]
) -> dict[str, float | None]:
    """What one system adds to the same call through another, by cell."""
    labels = [one.label for one in scenarios if one.system == system]
    return {label: added(f"{system}_{label}", f"{other}_{label}", rounds) for label in labels}


def _cold_start(home: Path, cores: Cores, upstream: int) -> float:
    with gateway(home, cores.gateway, upstream) as started:
        return started.started


def _round(
    console: Console,
    number: int,
    scenarios: Sequence[Measured],
    ports: Mapping[str, int],
    plan: Plan,
    own: Mapping[str, Gateway],
    token: str,
) -> Round:
    with console.status("") as status:

        def done(scenario: Measured) -> None:
            status.update(f"round {number} of {plan.rounds}: {scenario.name} done")
            for one in own.values():
                one.forget_log()

        spent: dict[str, Callable[[], float]] = {name: one.cpu_seconds for name, one in own.items()}
        samples = uvloop.run(run_round(scenarios, ports, plan, done, token, spent))
    console.print(f"round {number} of {plan.rounds} done", style="dim")
    return samples


def _complain(console: Console, rounds: Sequence[Round]) -> dict[str, list[str]]:
    found = wrong(rounds)
    for name, problems in found.items():
        console.print(f"{name}: {problems[0]}", style="red", markup=False, soft_wrap=True)
    return found


def profile(console: Console, scenario: Measured, seconds: float) -> int:
    """Print where the time goes."""
    cores = Cores.available()
    ends = "tests.bench.provider" if isinstance(scenario, ModelScenario) else "tests.bench.upstream"
    with (
        pinned(cores.load),
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        announced(cores.upstream, ends) as upstream,
    ):
        sample, found = hotspots.profile(Path(home), cores, upstream, scenario, seconds)
    hotspots.show(console, sample, found)
    return 1 if sample.wrong else 0


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    console = Console(quiet=options.json, highlight=False)
    if not console.is_terminal:
        console = Console(quiet=options.json, highlight=False, width=WIDTH)
    if options.profile:
        wanted = options.scenario[-1] if options.scenario else PROFILED
        wanted = LLM_GOVERNED if wanted == LLM else wanted
        scenario = next(one for one in options.chosen if wanted in (one.name, one.system))
        return profile(console, scenario, 2.0 if options.quick else 6.0)
    report = measure(console, options.chosen, QUICK if options.quick else DEFAULT)
    table.show(console, report)
    line = json.dumps(report.as_json(), allow_nan=False)
    options.output.write_text(line + "\n")
    print(line, flush=True)
    missed = any(not verdict["met"] for verdict in report.verdicts().values())
    return 1 if report.wrong or (options.strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
