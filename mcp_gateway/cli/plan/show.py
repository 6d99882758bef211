"""A plan as people read it: a sign before each line, in colour on a terminal only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from rich.console import Console
from rich.text import Text

from mcp_gateway.cli.plan.compare import Change
from mcp_gateway.cli.plan.report import Line, Report, same
from mcp_gateway.cli.words import count, printable
from mcp_gateway.methods.access import Item

_COLOURS: Final[Mapping[str, str]] = MappingProxyType({"+": "green", "-": "red", "~": "yellow", " ": ""})


def show(report: Report, *, all_items: bool) -> None:
    """Print `report`; what stays as it is is counted, or told one by one with `all_items`."""
    console = Console(highlight=False, soft_wrap=True)
    if report.against is not None:
        console.print(Text(f"Compared with {printable(report.against)}:"))
    for names, line in same(report.lines):
        if report.against is not None and not line.changes and not all_items:
            continue
        console.print()
        console.print(Text(printable(", ".join(names)), "bold"))
        for text in _lines(line, all_items=all_items or report.against is None):
            console.print(text)
    if report.unseen:
        console.print("\nNobody of these sees:")
        for server, tools in sorted(report.unseen.items()):
            console.print(Text(printable(f"  {server}: {', '.join(tools)}")))
    console.print()
    console.print(_summary(report))


def _lines(line: Line, *, all_items: bool) -> Iterator[Text]:
    for server in sorted({*line.servers, *(each.server for each in line.changes)}):
        changes = [each for each in line.changes if each.server == server]
        items = line.servers[server].items if server in line.servers else ()
        touched = {(each.item.kind, each.item.name) for each in changes if each.sign != "-"}
        kept = [each for each in items if (each.kind, each.name) not in touched]
        if not changes and not all_items:
            continue
        yield Text(printable(f"  {server}"))
        for change in changes:
            yield _text(change.sign, change.item, _what(change))
        if all_items:
            for item in kept:
                yield _text(" ", item, "")
            if not items and not changes:
                yield Text("      nothing")
        elif kept:
            yield Text(f"      {len(kept)} as before", "dim")
    if line.unknown:
        yield Text(printable(f"  not compared: {', '.join(line.unknown)} (not available on one side)"), "yellow")


def _text(sign: str, item: Item, what: str) -> Text:
    """Tools and prompts are known by what their upstream calls them, resources by their URI."""
    own = item.kind in ("tool", "prompt")
    identity = f" ({item.upstream}/{item.target})" if own else f" ({item.upstream})"
    depends = ", for some arguments" if item.reach == "sometimes" and sign != "-" else ""
    return Text(printable(f"    {sign} {item.kind} {item.name}{identity}{depends}{what}"), _COLOURS[sign])


def _what(change: Change) -> str:
    if not change.fields:
        return ""
    was = f" (it was {change.was})" if change.was is not None else ""
    return f": {', '.join(change.fields)} changed{was}"


def _summary(report: Report) -> Text:
    if report.against is None:
        return Text(
            f"{count(len(report.lines), 'identity', 'identities')}; no gateway runs that could be compared with."
        )
    if not report.changed:
        return Text(f"Nothing changes for {count(len(report.lines), 'identity', 'identities')}.", "green")
    concerned = sum(bool(line.changes) for line in report.lines)
    told = ", ".join(_counted(report))
    return Text(f"{count(concerned, 'identity', 'identities')} of {len(report.lines)} concerned: {told}.", "bold")


def _counted(report: Report) -> Sequence[str]:
    return [f"{report.count('+')} gained", f"{report.count('-')} lost", f"{report.count('~')} changed"]
