"""Circuit breaker: an upstream that keeps failing is left alone for a while.

Only failures of the transport count: an answer, also an error answer, proves that the upstream lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Generic, Protocol, TypeVar

from mcp_gateway.core.circuit import Circuit
from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Permitted

__all__ = ["Aimed", "Breaker", "Circuit"]


class Aimed(Protocol):
    """A call that knows which upstream it goes to."""

    @property
    def upstream(self) -> str: ...


C = TypeVar("C", bound=Aimed)
R = TypeVar("R")


class Breaker(Generic[C, R]):
    """Refuses calls to an upstream whose circuit is open, and teaches the circuit from each outcome."""

    __slots__ = ("_circuits",)

    def __init__(self, circuits: Mapping[str, Circuit]) -> None:
        self._circuits = circuits

    async def __call__(self, call: Permitted[C], call_next: Handler[Permitted[C], R]) -> R:
        upstream = call.call.upstream
        circuit = self._circuits[upstream]
        if not circuit.admit(monotonic()):
            raise Unreachable(
                "the upstream failed repeatedly and is given time to recover", sent=False, upstream=upstream
            )
        try:
            result = await call_next(call)
        except (Unreachable, TimedOut, ProtocolViolation) as error:
            circuit.failed(monotonic(), error.message)
            raise
        except Rejected:
            circuit.succeeded()
            raise
        except BaseException:
            # Cancelled, or refused on this side of the wire (no free place, no credential): no word of the upstream.
            circuit.undecided()
            raise
        circuit.succeeded()
        return result
