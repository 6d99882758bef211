"""Settles the metadata of requests by one contract, and keeps what headers that were met lately came to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from mcp_gateway.core.metadata import HEADERS, META_KEY
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.metadata.claims import read_claims
from mcp_gateway.envelopes.safety.metadata.contract import Contract, Settled

MAX_KEPT: Final = 1_024
"""Of settled metadata, the least lately met first to go."""

MAX_LENGTH: Final = 2_048
"""Characters of all values of one request that is kept: so few megabytes are the most, whatever is sent."""

_UNWRITTEN: Final[tuple[tuple[str, ...], ...]] = tuple(() for _ in HEADERS)

_Key = tuple[frozenset[str], tuple[tuple[str, ...], ...]]


class Settler:
    """Reads what a request says and holds it against a contract.

    What headers came to is kept under their raw values and the principal's marks, the only part of a principal that a
    contract reads. What stands in `_meta` is read at each request. A settler ends with its contract, and what it kept
    with it.
    """

    __slots__ = ("_contract", "_kept")

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._kept: OrderedDict[_Key, Settled] = OrderedDict()

    def settle(self, headers: Mapping[str, tuple[str, ...]], meta: object, principal: Principal) -> Settled:
        """The metadata of a request of `principal` with `headers` (as `read_claims` takes them) and this `_meta`."""
        if isinstance(meta, dict) and META_KEY in meta:
            return self._contract.settle(read_claims(headers, meta), principal)
        written = tuple([headers.get(name, ()) for name in HEADERS]) if headers else _UNWRITTEN
        key = (self._contract.marks(principal), written)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._contract.settle(read_claims(headers), principal)
        if sum(len(value) for values in written for value in values) <= MAX_LENGTH:
            self._kept[key] = found
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found
