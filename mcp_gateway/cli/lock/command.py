"""`mcp-gateway lock`: what upstreams say of their tools, pinned; what differs, shown; what is right, accepted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import TypeAdapter

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.pin_diff import visible
from mcp_gateway.catalog.pins import Drifted
from mcp_gateway.cli.control import CONTROL, ControlPlane, Unreadable, control_of
from mcp_gateway.cli.lock.review import Review, accepted, contradictory, review
from mcp_gateway.cli.lock.show import facts, show
from mcp_gateway.cli.policy.world import CONFIG, JSON, inventories_of
from mcp_gateway.cli.state import NO, settings_of, stopped
from mcp_gateway.cli.words import print_json
from mcp_gateway.settings.lock import NAME, Lock, write
from mcp_gateway.settings.settings import Settings

_DEFINITIONS: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])


def lock(
    chosen: list[str] = typer.Argument(
        None, metavar="[UPSTREAM[/TOOL]]...", help="With --accept: only of this upstream, or only this tool of it."
    ),
    accept: bool = typer.Option(False, "--accept", help="Accept what differs from tools.lock."),
    control: str | None = CONTROL,
    config: Path = CONFIG,
    json_: bool = JSON,
) -> None:
    """Pin the tools of all upstreams in tools.lock, or hold them against it.

    Without tools.lock, makes it. With one, shows what differs and changes nothing: 1 where something does. A tool that
    differs is not used until it is accepted, here and with a reload of the gateway.
    """
    settings = settings_of(config)
    if chosen and not accept:
        raise stopped("to accept some tools only, say --accept, too")
    first = settings.lock is None
    old: Lock = settings.lock or {}
    inventories = _pinned_inventories(settings, control)
    found = review(old, inventories)
    taken: Sequence[Drifted] = []
    if first or accept:
        taken = [each for each in _chosen(found, chosen or ()) if not _contradicts(each, inventories)]
        try:
            write(settings.base_dir, accepted(old, inventories, taken))
        except OSError as error:
            raise stopped(f"cannot write {NAME}: {error.strerror}") from None
    left = replace(found, drifted=[each for each in found.drifted if each not in taken])
    written = first or accept
    if json_:
        print_json(facts(settings.base_dir / NAME, found, taken, written))
    else:
        show(found, taken, contradictions=_contradictions(inventories), written=written, first=first)
    if left.drifted or (found.unread and not chosen):
        raise typer.Exit(NO)


def _pinned_inventories(settings: Settings, control: str | None) -> Mapping[str, Inventory]:
    """What the upstreams say that are to be pinned. Those that show people only what they have are known to a running
    gateway, if at all."""
    read = inventories_of(settings)
    pinned = {name: each for name, each in read.items() if settings.upstreams[name].pinning != "off"}
    return {
        name: _from_running(settings, each, control) if each.waits_for_person else each for name, each in pinned.items()
    }


def _from_running(settings: Settings, inventory: Inventory, control: str | None) -> Inventory:
    base = control or control_of(settings)
    try:
        running = None if base is None else ControlPlane(base)
        if running is None or not running.listens():
            return inventory
        told = running.ask(f"/api/upstreams/{inventory.upstream}/definitions", _DEFINITIONS)
    except Unreadable:
        return inventory
    if told is None or not told.get("version") or not told.get("available"):
        return inventory
    return replace(inventory, tools=tuple(told["tools"]), version=told["version"], waits_for_person=False)


def _chosen(found: Review, chosen: Sequence[str]) -> Sequence[Drifted]:
    """What differs and is meant. Leaves with 2 where something is meant that does not differ."""
    if not chosen:
        return found.drifted
    taken: list[Drifted] = []
    for name in chosen:
        upstream, _, tool = name.partition("/")
        if upstream in found.unread:
            raise stopped(f"the tools of {upstream} are not known: {found.unread[upstream]}")
        meant = [each for each in found.drifted if each.upstream == upstream and tool in ("", each.tool)]
        if not meant:
            known = [f"{each.upstream}/{each.tool}" for each in found.drifted]
            near = difflib.get_close_matches(name, [*known, *(each.upstream for each in found.drifted)], n=1)
            hint = f"; did you mean {visible(near[0])}?" if near else ""
            raise stopped(f"nothing differs at {visible(name)}{hint}")
        taken += [each for each in meant if each not in taken]
    return taken


def _contradictions(inventories: Mapping[str, Inventory]) -> frozenset[tuple[str, str]]:
    return frozenset((name, tool) for name, each in inventories.items() for tool in contradictory(each))


def _contradicts(drifted: Drifted, inventories: Mapping[str, Inventory]) -> bool:
    inventory = inventories.get(drifted.upstream)
    return inventory is not None and drifted.tool in contradictory(inventory)
