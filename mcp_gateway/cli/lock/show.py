"""What `mcp-gateway lock` prints."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from mcp_gateway.catalog.pin_diff import differences, visible
from mcp_gateway.catalog.pins import Drift, Drifted
from mcp_gateway.cli.lock.review import Review
from mcp_gateway.cli.words import count, printable

_COLOURS: Final = MappingProxyType({Drift.NEW: "green", Drift.CHANGED: "yellow", Drift.GONE: "red"})


def facts(path: Path, found: Review, taken: Sequence[Drifted], written: bool) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "ok": not found.unread and len(taken) == len(found.drifted),
        "lock": str(path),
        "written": written,
        "drifted": [
            {
                "upstream": each.upstream,
                "tool": each.tool,
                "drift": each.drift.value,
                "differences": differences(each),
                "accepted": each in taken,
            }
            for each in found.drifted
        ],
        "suspicions": [
            {"upstream": upstream, "tool": tool, "path": each.path, "what": each.what}
            for (upstream, tool), said in found.suspicious.items()
            for each in said
        ],
        "look_alikes": [[f"{upstream}/{tool}" for upstream, tool in group] for group in found.alike],
        "unread": dict(found.unread),
    }


def show(
    found: Review, taken: Sequence[Drifted], *, contradictions: Set[tuple[str, str]], written: bool, first: bool
) -> None:
    """Everything, for people: what differs, what to look at, and what was done."""
    out = Console(highlight=False, soft_wrap=True)
    for each in found.drifted:
        mark = "accepted" if each in taken else ""
        out.print(Text.assemble((f"{each.drift.value:8}", _COLOURS[each.drift]), _name(each.upstream, each.tool), mark))
        for line in differences(each):
            out.print(Text(f"           {line}"))
        if (each.upstream, each.tool) in contradictions:
            out.print(Text("           listed several times with different definitions: cannot be accepted", "red"))
    for (upstream, tool), said in found.suspicious.items():
        for suspicion in said:
            out.print(
                Text.assemble(
                    ("look at  ", "bold magenta"), _name(upstream, tool), f"{suspicion.path} {suspicion.what}"
                )
            )
    for group in found.alike:
        names = ", ".join(visible(f"{upstream}/{tool}") for upstream, tool in group)
        out.print(Text.assemble(("look at  ", "bold magenta"), f"named alike: {names}"))
    for upstream, why in found.unread.items():
        out.print(Text.assemble(("unread   ", "red"), f"{upstream}: {printable(why)}"))
    out.print(_verdict(found, taken, written, first))


def _verdict(found: Review, taken: Sequence[Drifted], written: bool, first: bool) -> Text:
    left = len(found.drifted) - len(taken)
    said: list[str] = []
    if first:
        said.append(f"tools.lock made: {count(len(taken), 'tool')} pinned. Put it under version control.")
    elif taken:
        said.append(f"{count(len(taken), 'tool')} accepted. A running gateway takes it up with the next reload.")
    if left:
        how = "" if written else " To accept: mcp-gateway lock --accept [UPSTREAM[/TOOL]]"
        said.append(f"{count(left, 'tool')} {'differs' if left == 1 else 'differ'} from tools.lock.{how}")
    if found.unread:
        said.append(f"{count(len(found.unread), 'upstream')} could not be read; tools of theirs stay as they were.")
    return Text(" ".join(said) or "All tools are as accepted.", "bold red" if left or found.unread else "green")


def _name(upstream: str, tool: str) -> str:
    return f" {visible(f'{upstream}/{tool}')}  "
