"""The stage that settles the metadata of a request, once for all who read it further on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_gateway.core.call import Call, Trail
from mcp_gateway.core.errors import MetadataRequired
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.metadata.claims import Fault
from mcp_gateway.envelopes.safety.metadata.contract import Contract, Settled
from mcp_gateway.envelopes.safety.metadata.settler import Settler

COVERED: Final = frozenset(
    {"tools/call", "prompts/get", "resources/read", "completion/complete", "resources/subscribe"}
)
"""The methods that policies decide on with metadata. Lists, pings and handshakes come from the client's own workings,
not from a task that somebody could say anything about."""

_LISTEN: Final = "subscriptions/listen"
"""Covered where it follows resources: lists are followed by every client."""

_TOLD: Final = 8
"""The most faults that a refusal spells out."""


@dataclass(frozen=True, slots=True)
class MetadataTallies:
    """How often the contract was broken, by virtual server and what was at fault: a key of the contract, or a place."""

    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    would_refuse: Counter[tuple[str, str]] = field(default_factory=Counter)


class RequireMetadata:
    """Puts the metadata of a request on the call, and refuses what breaks the contract; in audit mode only records it.

    Raises `MetadataRequired`.
    """

    __slots__ = ("_audit", "_settler", "_tallies")

    def __init__(self, contract: Contract, tallies: MetadataTallies) -> None:
        self._audit = contract.audit
        self._settler = Settler(contract)
        self._tallies = tallies

    def __call__(self, call: Call, call_next: Handler[Call, dict[str, Any]]) -> Awaitable[dict[str, Any]]:
        if not _covered(call):
            return call_next(call)
        values = self.settle(call.server, call.headers, call.params.get("_meta"), call.principal, call.trail)
        return call_next(call._replace(metadata=values) if values else call)

    def settle(
        self, where: str, headers: Mapping[str, tuple[str, ...]], meta: object, principal: Principal, trail: Trail
    ) -> Mapping[str, str]:
        """The metadata of a request of either plane; `where` is the virtual server or the dialect, for tallies.

        Raises `MetadataRequired`.
        """
        settled = self._settler.settle(headers, meta, principal)
        if settled.shown:
            trail.notes["metadata"] = settled.shown
        if settled.faults:
            self._broken(where, settled, trail)
        return settled.values

    def _broken(self, where: str, settled: Settled, trail: Trail) -> None:
        faults = {fault.at: fault for fault in settled.faults}
        tally = self._tallies.would_refuse if self._audit else self._tallies.refused
        tally.update((where, at) for at in faults)
        trail.notes["would_metadata_faults" if self._audit else "metadata_faults"] = tuple(faults)
        if not self._audit:
            raise MetadataRequired(_words(settled.faults), faults=tuple(faults))


def _covered(call: Call) -> bool:
    if call.method in COVERED:
        return True
    wanted = call.params.get("notifications") if call.method == _LISTEN else None
    return isinstance(wanted, dict) and bool(wanted.get("resourceSubscriptions"))


def _words(faults: tuple[Fault, ...]) -> str:
    told = "; ".join(fault.words for fault in faults[:_TOLD])
    return f"metadata: {told}" + ("; …" if len(faults) > _TOLD else "")
