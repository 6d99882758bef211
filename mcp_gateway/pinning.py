"""What upstreams offer, held against `tools.lock`: what may be used, and what policies may speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from mcp_gateway.calls.inventory import Inventory, Quarantined
from mcp_gateway.catalog.pin_diff import differences, visible
from mcp_gateway.catalog.pins import Drift, Drifted, Pins, drifts, without
from mcp_gateway.core.call import Json
from mcp_gateway.settings.settings import Settings

Mode = Literal["enforce", "warn", "off"]


class Logger(Protocol):
    """The part of a structlog logger that is used here."""

    def warning(self, event: str, **facts: Any) -> Any: ...

    def info(self, event: str, **facts: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Held:
    """One upstream's offer, held against what was accepted.

    `admitted` is what may be composed and called, `known` what policies may speak of: the accepted definitions,
    also of tools that are quarantined, gone or not read yet. `drifted` is everything that differs.
    """

    admitted: Inventory
    known: Inventory
    mode: Mode = "off"
    drifted: tuple[Drifted, ...] = ()

    @property
    def quarantined(self) -> tuple[Drifted, ...]:
        """What differs and can therefore not be used."""
        return () if self.mode != "enforce" else tuple(each for each in self.drifted if each.drift is not Drift.GONE)


class Pinning:
    """Holds inventories against the lock; what has not changed since the last time is not compared again."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Inventory, Pins | None, Held]] = {}

    def hold(self, settings: Settings, inventories: Mapping[str, Inventory]) -> Mapping[str, Held]:
        """Every upstream of `settings`, held against its lock as its `pinning` says."""
        return {name: self._one(settings, name, inventory) for name, inventory in inventories.items()}

    def _one(self, settings: Settings, upstream: str, inventory: Inventory) -> Held:
        mode = settings.upstreams[upstream].pinning
        pins = None if settings.lock is None or mode == "off" else settings.lock.get(upstream, {})
        last = self._held.get(upstream)
        if last is not None and last[0] is inventory and last[1] == pins and (pins is None or last[2].mode == mode):
            return last[2]
        held = Held(inventory, inventory) if pins is None else hold(inventory, pins, mode)
        self._held[upstream] = (inventory, pins, held)
        return held


def hold(inventory: Inventory, pins: Pins, mode: Mode) -> Held:
    """`inventory` held against `pins`. Pure."""
    drifted = drifts(inventory, pins)
    if not inventory.version or inventory.waits_for_person:
        accepted = tuple(pin.definition for pin in pins.values())
        return Held(inventory, replace(inventory, tools=accepted), mode)
    gone = tuple(each.pinned for each in drifted if each.drift is Drift.GONE and each.pinned is not None)
    if mode == "warn":
        return Held(inventory, replace(inventory, tools=(*inventory.tools, *gone)), mode, drifted)
    apart = tuple(
        Quarantined(definition, new=each.drift is Drift.NEW)
        for each in drifted
        if each.drift is not Drift.GONE and (definition := _reference(each)) is not None
    )
    admitted = replace(without(inventory, drifted), quarantined=apart)
    known = (*admitted.tools, *(each.definition for each in apart), *gone)
    return Held(admitted, replace(inventory, tools=known), mode, drifted)


def _reference(drifted: Drifted) -> Json | None:
    """The definition that counts of a tool which may not be used."""
    return drifted.received if drifted.pinned is None else drifted.pinned


def tell_drift(log: Logger, before: Mapping[str, Held], now: Mapping[str, Held]) -> None:
    """Write a line for every tool that differs and did not, or differently; and for each that differs no more."""
    for upstream, held in now.items():
        known = {each.tool: each for each in before[upstream].drifted} if upstream in before else {}
        apart = {each.tool for each in held.quarantined}
        for each in held.drifted:
            if known.pop(each.tool, None) == each and (upstream in before and before[upstream].mode == held.mode):
                continue
            log.warning(
                "tool quarantined" if each.tool in apart else "tool differs from its pin",
                upstream=upstream,
                tool=visible(each.tool),
                drift=each.drift.value,
                differences=differences(each),
            )
        for tool in known:
            log.info("tool as accepted again", upstream=upstream, tool=visible(tool))
