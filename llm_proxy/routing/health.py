"""How targets are doing: who keeps failing, and how fast the others are. Lives across configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_proxy.routing.policy import Failure
from llm_proxy.routing.rolling import Rolling
from llm_proxy.routing.targets import Target
from mcp_gateway.core.circuit import Circuit

SPEED_SPAN: Final = 20 * 60.0
"""Seconds that the choice of the fastest looks back."""

SLA_SPAN: Final = 3 * 60.0
"""Seconds that the cut-off of slow targets looks back. One that gets no requests is tried again when they are over."""

MOST: Final = 1024
"""Most targets that are remembered: clients may name any model of a provider."""


class Health:
    """One target. Whoever sends it a request says how that ended: `answered`, `failed` or `undecided`."""

    __slots__ = ("_first_token", "_token", "_token_lately", "circuit")

    def __init__(self) -> None:
        self.circuit = Circuit()
        self._first_token = Rolling(SLA_SPAN)
        self._token_lately = Rolling(SLA_SPAN)
        self._token = Rolling(SPEED_SPAN)

    def answered(
        self, now: float, *, duration: float, first_token: float | None = None, output_tokens: int = 0
    ) -> None:
        """It answered. `duration` and `first_token` (None if it was no stream) are seconds since it was asked.

        The time to the first token is none that the others took. Without tokens its speed stays as it was.
        """
        self.circuit.succeeded()
        if first_token is not None:
            self._first_token.add(now, first_token)
            duration, output_tokens = duration - first_token, output_tokens - 1
        if output_tokens > 0:
            self._token.add(now, max(duration, 0.0), output_tokens)
            self._token_lately.add(now, max(duration, 0.0), output_tokens)

    def failed(self, now: float, failure: Failure) -> None:
        """It did not answer, or not as it should; what is wrong with the request alone says nothing about it."""
        if failure.ill:
            self.circuit.failed(now)
        else:
            self.circuit.undecided()

    def undecided(self) -> None:
        """The request ended without saying anything about it."""
        self.circuit.undecided()

    def time_per_token(self, now: float) -> float | None:
        """Seconds for one output token; None while too little is known."""
        return self._token.mean(now)

    def too_slow(self, target: Target, now: float) -> bool:
        """Whether it is slower than `target` allows."""
        first, token = target.slow_first_token, target.slow_token
        return _above(self._first_token, first, now) or _above(self._token_lately, token, now)


class Healths:
    """The health of every target by `provider/model`, of the `MOST` that were asked for last."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Health] = {}

    def of(self, name: str) -> Health:
        """The health of the target `name`."""
        health = self._known.pop(name, None) or Health()
        self._known[name] = health
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return health

    def known(self) -> Mapping[str, Health]:
        """Those that are remembered, for inspection."""
        return dict(self._known)


def _above(measured: Rolling, threshold: float | None, now: float) -> bool:
    if threshold is None:
        return False
    mean = measured.mean(now)
    return mean is not None and mean > threshold
