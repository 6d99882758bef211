"""A circuit: what keeps failing is left alone for a while.

Closed: calls pass. After `failures` failures in a row it opens: calls are refused at once.
After `cooldown` seconds one call is let through as a probe; its outcome closes or re-opens the circuit.
"""

from __future__ import annotations

from time import time


class Circuit:
    """The state for one peer. Lives as long as the peer does, across configuration snapshots."""

    __slots__ = ("_cooldown", "_limit", "_open_until", "_probing", "failures", "last_error", "opened")

    def __init__(self, *, failures: int = 5, cooldown: float = 10.0) -> None:
        self._limit = failures
        self._cooldown = cooldown
        self._open_until = 0.0
        self._probing = False
        self.failures = 0
        """Calls that failed in a row until now."""

        self.opened = 0
        self.last_error: tuple[str, float] | None = None
        """Why the last call failed that did, and when, in Unix seconds."""

    def state(self, now: float) -> str:
        """`closed`, `open` or `half-open`."""
        if self.failures < self._limit:
            return "closed"
        return "open" if now < self._open_until else "half-open"

    def admit(self, now: float) -> bool:
        """Whether a call may go now. A true answer in half-open state makes this call the probe."""
        if self.failures < self._limit:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The peer answered."""
        self.failures = 0
        self._probing = False

    def failed(self, now: float, why: str = "") -> None:
        """The peer did not answer as it should, and `why`, in public words.

        Calls that were under way when it opened do not open it again.
        """
        if why:
            self.last_error = why, time()
        was_open = self.state(now) == "open"
        self.failures += 1
        self._probing = False
        if self.failures >= self._limit and not was_open:
            self._open_until = now + self._cooldown
            self.opened += 1

    def undecided(self) -> None:
        """The call ended without saying anything about the peer (cancelled or refused here)."""
        self._probing = False
