"""Circuit breaker: an upstream that keeps failing is left alone for a while.

Closed: calls pass. After `failures` transport failures in a row it opens: calls are refused at once.
After `cooldown` seconds one call is let through as a probe; its outcome closes or re-opens the circuit.
Only failures of the transport count: an answer, also an error answer, proves that the upstream lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Generic, Protocol, TypeVar

from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Permitted


class Aimed(Protocol):
    """A call that knows which upstream it goes to."""

    @property
    def upstream(self) -> str: ...


C = TypeVar("C", bound=Aimed)
R = TypeVar("R")


class Circuit:
    """The state for one upstream. Lives as long as the upstream does, across configuration snapshots."""

    __slots__ = ("_cooldown", "_failures", "_limit", "_open_until", "_probing", "opened")

    def __init__(self, *, failures: int = 5, cooldown: float = 10.0) -> None:
        self._limit = failures
        self._cooldown = cooldown
        self._failures = 0
        self._open_until = 0.0
        self._probing = False
        self.opened = 0

    def state(self, now: float) -> str:
        """`closed`, `open` or `half-open`."""
        if self._failures < self._limit:
            return "closed"
        return "open" if now < self._open_until else "half-open"

    def admit(self, now: float) -> bool:
        """Whether a call may go now. A true answer in half-open state makes this call the probe."""
        if self._failures < self._limit:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The upstream answered."""
        self._failures = 0
        self._probing = False

    def failed(self, now: float) -> None:
        """The upstream did not answer as the protocol wants. Calls that were under way when it opened add nothing."""
        was_open = self.state(now) == "open"
        self._failures += 1
        self._probing = False
        if self._failures >= self._limit and not was_open:
            self._open_until = now + self._cooldown
            self.opened += 1

    def undecided(self) -> None:
        """The call ended without saying anything about the upstream (cancelled or refused here)."""
        self._probing = False


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
        except (Unreachable, TimedOut, ProtocolViolation):
            circuit.failed(monotonic())
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
