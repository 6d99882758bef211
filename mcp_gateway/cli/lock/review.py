"""What `mcp-gateway lock` finds, and what accepting makes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.pins import Drift, Drifted, drifts
from mcp_gateway.catalog.suspicions import Suspicion, look_alikes, suspicions
from mcp_gateway.core.canonical import Pin, fingerprint
from mcp_gateway.settings.lock import Lock

NOT_CONFIGURED: Final = "the upstream is not configured any more"


@dataclass(frozen=True, slots=True)
class Review:
    """The upstreams' offers held against a lock.

    `drifted` is everything that differs, in order; `unread` says why of upstreams whose tools are not known;
    `suspicious` are remarks by upstream and tool; `alike` groups of tools that look the same.
    """

    drifted: Sequence[Drifted]
    unread: Mapping[str, str]
    suspicious: Mapping[tuple[str, str], Sequence[Suspicion]]
    alike: Sequence[Sequence[tuple[str, str]]]

    @property
    def unpinned(self) -> int:
        """How much the gateway would not use, or does not know whether it would."""
        return len(self.drifted) + len(self.unread)


def review(lock: Lock, inventories: Mapping[str, Inventory]) -> Review:
    """Hold `inventories`, those of the upstreams that are pinned, against `lock`."""
    drifted: list[Drifted] = []
    unread: dict[str, str] = {}
    suspicious: dict[tuple[str, str], Sequence[Suspicion]] = {}
    names: list[tuple[str, str]] = []
    for upstream, inventory in sorted(inventories.items()):
        if _unread(inventory):
            unread[upstream] = _why(inventory)
            continue
        drifted += drifts(inventory, lock.get(upstream, {}))
        for definition in inventory.tools:
            name = definition.get("name")
            if isinstance(name, str):
                names.append((upstream, name))
                if said := suspicions(definition):
                    suspicious[upstream, name] = said
    for upstream in sorted(lock.keys() - inventories.keys()):
        drifted += [Drifted(upstream, tool, Drift.GONE, pin.definition, None) for tool, pin in lock[upstream].items()]
    return Review(drifted, unread, suspicious, look_alikes(dict.fromkeys(names)))


def accepted(lock: Lock, inventories: Mapping[str, Inventory], chosen: Sequence[Drifted]) -> Lock:
    """`lock` with what is `chosen` of its differences taken over."""
    fresh = {upstream: dict(tools) for upstream, tools in lock.items()}
    for each in chosen:
        tools = fresh.setdefault(each.upstream, {})
        if each.received is None:
            tools.pop(each.tool, None)
        else:
            tools[each.tool] = Pin.of(each.received)
    for upstream, inventory in inventories.items():
        if not _unread(inventory):
            fresh.setdefault(upstream, {})
    return {upstream: tools for upstream, tools in fresh.items() if tools or upstream in inventories}


def contradictory(inventory: Inventory) -> frozenset[str]:
    """Names under which an upstream lists several different definitions: nobody knows which one is called."""
    first: dict[str, str] = {}
    found: set[str] = set()
    for definition in inventory.tools:
        name = definition.get("name")
        if isinstance(name, str) and first.setdefault(name, digest := fingerprint(definition)) != digest:
            found.add(name)
    return frozenset(found)


def _unread(inventory: Inventory) -> bool:
    return not inventory.version or inventory.waits_for_person


def _why(inventory: Inventory) -> str:
    if inventory.waits_for_person:
        return "it shows its tools to people with an account only: connect one at a running gateway, then lock again"
    return inventory.error or "not read yet"
