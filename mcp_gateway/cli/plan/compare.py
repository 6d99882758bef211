"""What one principal gains, loses or sees changed between two states of a gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mcp_gateway.methods.access import Item, ServerAccess

NOWHERE: Final = ServerAccess(())

Sign = Literal["+", "-", "~"]


@dataclass(frozen=True, slots=True)
class Change:
    """One item that is gained, lost or changed; of a changed one what differs, and its name before."""

    sign: Sign
    server: str
    item: Item
    fields: tuple[str, ...] = ()
    was: str | None = None


def unknown(before: ServerAccess, after: ServerAccess) -> frozenset[str]:
    """The upstreams that cannot be compared: of one of the states it is not known what they offer.

    That is so where one was not available, and where one was asked as a person and the other was not.
    """
    down = {*before.unavailable, *after.unavailable}
    asking = {each.upstream for each in before.items if each.connects} ^ {
        each.upstream for each in after.items if each.connects
    }
    on_both = {each.upstream for each in before.items} & {each.upstream for each in after.items}
    return frozenset(down | asking & on_both)


def compare(before: Mapping[str, ServerAccess], after: Mapping[str, ServerAccess]) -> tuple[Change, ...]:
    """All changes, by virtual server. What cannot be compared is no change."""
    found: list[Change] = []
    for server in sorted({*before, *after}):
        old, new = before.get(server, NOWHERE), after.get(server, NOWHERE)
        apart = unknown(old, new)
        found += _changes(
            server,
            [each for each in old.items if each.upstream not in apart],
            [each for each in new.items if each.upstream not in apart],
        )
    return tuple(found)


def _changes(server: str, old: Iterable[Item], new: Iterable[Item]) -> Iterator[Change]:
    left = {(each.kind, each.upstream, each.target, each.name): each for each in old}
    fresh: list[Item] = []
    for item in new:
        same = left.pop((item.kind, item.upstream, item.target, item.name), None)
        if same is None:
            fresh.append(item)
        elif fields := _differing(same, item):
            yield Change("~", server, item, fields)
    # What is left goes by another name now: the upstream's own name is what it is known by.
    renamed: dict[tuple[str, str, str], list[Item]] = {}
    for item in left.values():
        renamed.setdefault((item.kind, item.upstream, item.target), []).append(item)
    for item in fresh:
        others = renamed.get((item.kind, item.upstream, item.target))
        if others:
            was = others.pop(0)
            yield Change("~", server, item, ("name", *_differing(was, item)), was.name)
        else:
            yield Change("+", server, item)
    for others in renamed.values():
        for item in others:
            yield Change("-", server, item)


def _differing(old: Item, new: Item) -> tuple[str, ...]:
    names = sorted({*old.fields, *new.fields})
    fields = tuple(name for name in names if old.fields.get(name) != new.fields.get(name))
    return fields if old.reach == new.reach else (*fields, "reach")
