"""The report as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.bench.targets import Report


def show(console: Console, report: Report) -> None:
    """Print figures, noise and targets."""
    table = Table(title=f"{report.machine['cpu']}, Python {report.machine['python']}")
    table.add_column("scenario", no_wrap=True)
    for heading in ("requests/s", "p50 ms", "p99 ms", "added p50 ms", "of forwarder"):
        table.add_column(heading, justify="right", no_wrap=True)
    before = ""
    for name, one in report.scenarios.items():
        system = name.partition("_")[0]
        if name.startswith(("direct_", "llm_direct_")) and before:
            table.add_section()
        before = system
        table.add_row(
            name,
            f"{one.rps:,.0f}",
            _shown(one.p50_ms, ".3f"),
            _shown(one.p99_ms, ".3f"),
            _shown(one.added_p50_ms, "+.3f"),
            _shown(one.ratio_to_forwarder, ".2f"),
        )
    console.print(table)
    for label, milliseconds in report.identity_added_ms.items():
        console.print(f"identity adds to the same call ({label}): {_shown(milliseconds, '+.3f')} ms p50")
    for label, milliseconds in report.guarded_added_ms.items():
        console.print(f"guardrails add to the same call ({label}): {_shown(milliseconds, '+.3f')} ms p50")
    for label, milliseconds in report.observed_added_ms.items():
        console.print(f"traces and audit add to the same call ({label}): {_shown(milliseconds, '+.3f')} ms p50")
    for name, figure in report.llm.items():
        console.print(f"{name}: {_shown(figure, ',.3f')}")
    if report.guarded_rss_mb is not None:
        console.print(f"memory of the gateway with guardrails: {report.guarded_rss_mb:.0f} MB")
    console.print(str(report.machine["pinning"]))
    _show_core(console, report.machine.get("core"))
    noise = ", ".join(f"{name} {part:.0%}" for name, part in report.noise.items())
    console.print(f"noise (how far the rounds of one scenario lie apart): {noise}", soft_wrap=True)
    _show_targets(console, report)


def _show_core(console: Console, core: object) -> None:
    if isinstance(core, Mapping):
        for when, speed in core.items():
            console.print(
                f"the gateway's core {when} the rounds: {speed['loop_us']} µs for a loop of 2,000 additions, "
                f"{speed['far_ns']} ns for memory beyond its own caches"
            )


def _show_targets(console: Console, report: Report) -> None:
    table = Table(title="targets")
    for heading in ("figure", "wanted", "measured", ""):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name, verdict in report.verdicts().items():
        met = "[green]met[/green]" if verdict["met"] else "[red]missed[/red]"
        table.add_row(name, f"{verdict['wanted']:,}", f"{verdict['measured']:,}", met)
    console.print(table)
    for name, count in report.wrong.items():
        console.print(f"[red bold]{name}: {count} wrong answers[/red bold]")


def _shown(figure: float | None, form: str) -> str:
    return "" if figure is None else format(figure, form)
