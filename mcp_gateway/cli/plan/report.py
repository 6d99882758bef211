"""A plan as facts: for each identity what it would see, and what of that is new. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.cli.plan.compare import NOWHERE, Change, compare, unknown
from mcp_gateway.methods.access import Item, ServerAccess

Servers = Mapping[str, ServerAccess]


@dataclass(frozen=True, slots=True)
class Line:
    """One identity: what it would see, what changes of that, and the upstreams that could not be compared."""

    who: str
    servers: Servers
    changes: tuple[Change, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All identities. `against` is what was compared with, None where there was nothing.

    `unseen` are tools of each virtual server that none of the identities could use, quarantined ones too.
    """

    against: str | None
    lines: tuple[Line, ...]
    unseen: Mapping[str, tuple[str, ...]]
    unread: Mapping[str, str]

    @property
    def changed(self) -> bool:
        """Whether anybody gains, loses or sees changed anything."""
        return any(line.changes for line in self.lines)

    def count(self, sign: str) -> int:
        """How many changes are of this sign, over all identities."""
        return sum(change.sign == sign for line in self.lines for change in line.changes)


def line(who: str, before: Servers | None, after: Servers) -> Line:
    """`who` in both states; without `before` nothing changes."""
    if before is None:
        return Line(who, after, ())
    pairs = ((before.get(name, NOWHERE), after.get(name, NOWHERE)) for name in {*before, *after})
    apart = sorted({upstream for old, new in pairs for upstream in unknown(old, new)})
    return Line(who, after, compare(before, after), tuple(apart))


def unseen(catalogs: Mapping[str, Catalog], lines: Iterable[Line]) -> Mapping[str, tuple[str, ...]]:
    """The tools of each virtual server, by exposed name, that are in nobody's list."""
    shown: dict[str, set[str]] = {}
    for each in lines:
        for name, server in each.servers.items():
            shown.setdefault(name, set()).update(item.name for item in server.items if item.kind == "tool")
    found = {
        name: tuple(sorted({*catalog.tools, *catalog.quarantined} - shown.get(name, set())))
        for name, catalog in catalogs.items()
    }
    return {name: names for name, names in found.items() if names}


def facts(report: Report) -> dict[str, Any]:
    """The report as one JSON object."""
    return {
        "against": report.against,
        "changed": report.changed,
        "gained": report.count("+"),
        "lost": report.count("-"),
        "altered": report.count("~"),
        "identities": [_line(each) for each in report.lines],
        "unseen": {name: list(names) for name, names in report.unseen.items()},
        "unread": dict(report.unread),
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "principal": line.who,
        "servers": {name: [_item(item) for item in server.items] for name, server in sorted(line.servers.items())},
        "changes": [
            {"change": each.sign, "server": each.server, **_item(each.item)}
            | ({"fields": list(each.fields)} if each.fields else {})
            | ({"was": each.was} if each.was is not None else {})
            for each in line.changes
        ],
        "not_compared": list(line.unknown),
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "upstream": item.upstream,
        "target": item.target,
        "reach": item.reach,
    }


def same(lines: Sequence[Line]) -> Sequence[tuple[Sequence[str], Line]]:
    """Lines that say the same of different identities, together: names, and one of the lines."""
    found: dict[tuple[Any, ...], tuple[list[str], Line]] = {}
    for each in lines:
        seen = tuple(
            (name, tuple((i.kind, i.name, i.reach) for i in s.items)) for name, s in sorted(each.servers.items())
        )
        told = tuple((c.sign, c.server, c.item.kind, c.item.name, c.fields, c.was) for c in each.changes)
        found.setdefault((seen, told, each.unknown), ([], each))[0].append(each.who)
    return list(found.values())
