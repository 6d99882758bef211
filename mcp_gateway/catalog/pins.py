"""What an upstream offers, held against the definitions that were accepted. Pure.

Pinned is the upstream's own definition, whole and before an admin's changes. A tool counts as unchanged only if
every entry of its name is the pinned definition: of two entries with one name, catalogs may take either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.core.call import Json
from mcp_gateway.core.canonical import Pin, fingerprint

Pins = Mapping[str, Pin]
"""The accepted definitions of one upstream, by its names of tools."""


class Drift(StrEnum):
    """How a tool differs from what was accepted."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Drifted:
    """One tool that differs: the accepted definition and the one received, each None where there is none."""

    upstream: str
    tool: str
    drift: Drift
    pinned: Json | None
    received: Json | None


def drifts(inventory: Inventory, pins: Pins) -> tuple[Drifted, ...]:
    """Everything in which `inventory` differs from `pins`, in the order of names.

    Nothing differs in lists that were never read. Entries without a name are passed over: they cannot be exposed.
    """
    if not inventory.version or inventory.waits_for_person:
        return ()
    received: dict[str, list[Json]] = {}
    for definition in inventory.tools:
        name = definition.get("name")
        if isinstance(name, str):
            received.setdefault(name, []).append(definition)
    found: list[Drifted] = []
    for name in sorted(received.keys() | pins.keys()):
        pin, entries = pins.get(name), received.get(name, [])
        if pin is None:
            found.append(Drifted(inventory.upstream, name, Drift.NEW, None, entries[0]))
        elif not entries:
            found.append(Drifted(inventory.upstream, name, Drift.GONE, pin.definition, None))
        else:
            other = next((entry for entry in entries if fingerprint(entry) != pin.digest), None)
            if other is not None:
                found.append(Drifted(inventory.upstream, name, Drift.CHANGED, pin.definition, other))
    return tuple(found)


def without(inventory: Inventory, drifted: tuple[Drifted, ...]) -> Inventory:
    """`inventory` without the tools that `drifted` names, under any entry of their names."""
    names = {each.tool for each in drifted}
    return replace(inventory, tools=tuple(entry for entry in inventory.tools if entry.get("name") not in names))
