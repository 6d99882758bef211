"""What follows a failed attempt: the same target again, the next one, or the end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from llm_proxy.completion.wire import ErrorClass
from llm_proxy.routing.spec import TargetSpec

PATIENCE: Final = 2.0
"""The longest wait in seconds that a provider may ask for while another target could be tried instead."""

_MEANS: Final[Mapping[ErrorClass, str]] = MappingProxyType(
    {
        "rate_limit": "429",
        "overloaded": "503",
        "context_window": "400",
        "content_filter": "400",
        "authentication": "401",
        "invalid": "400",
        "server": "500",
    }
)
"""The status that stands for a class of errors where there is no usual one: inside a stream, and for the 529 of
providers that are overloaded."""

_OVERLOADED: Final = 529
_ILL: Final = frozenset({"rate_limit", "overloaded", "authentication", "server"})


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed before the client saw anything of its answer.

    `status` is the provider's; None for an error inside a stream, and where there was no answer at all, which `lost`
    tells: no connection, a broken one, or no answer in time. `kind` is what the error means, None if it is not known.
    `retry_after` is in seconds, None if the provider did not say.
    """

    status: int | None = None
    kind: ErrorClass | None = None
    lost: Literal["connection", "timeout"] | None = None
    retry_after: float | None = None

    @property
    def codes(self) -> frozenset[str]:
        """By which of their codes rules know it."""
        found = {str(self.status)} if self.status is not None else set()
        if self.kind is not None:
            found.add(self.kind)
            if self.status in (None, _OVERLOADED):
                found.add(_MEANS[self.kind])
        elif self.status == _OVERLOADED:
            found.add("503")
        return frozenset(found)

    @property
    def ill(self) -> bool:
        """Whether it says something about the target, and not only about this request."""
        if self.lost is not None:
            return True
        if self.kind is not None:
            return self.kind in _ILL
        return self.status is not None and (self.status >= 500 or self.status in (401, 408, 429))


@dataclass(frozen=True, slots=True)
class Retry:
    """The same target again, after `delay` seconds."""

    delay: float


Verdict = Retry | Literal["next", "fail"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What one target's failures lead to. `retries` are further attempts at it, `delay` is in seconds."""

    retries: int = 2
    delay: float = 0.1
    retried: frozenset[str] = frozenset({"429", "500", "502", "503"})
    fallback: frozenset[str] = frozenset({"401", "403", "404", "429", "500", "502", "503"})

    @classmethod
    def of(cls, spec: TargetSpec) -> Policy:
        """The policy of a target."""
        retry = spec.retry_config
        return cls(
            retry.attempts,
            retry.delay / 1000,
            frozenset(retry.on_status_codes),
            frozenset(spec.fallback_status_codes),
        )

    def after(self, failure: Failure, *, retried: int, others: bool, left: float) -> Verdict:
        """What to do after `failure`.

        `retried` counts the attempts at this target after its first, `others` tells whether another target could be
        tried, and `left` is the seconds until the deadline of the request as a whole.
        """
        delay = max(self.delay, failure.retry_after or 0.0)
        worth_it = delay < left and (not others or delay <= max(self.delay, PATIENCE))
        if retried < self.retries and worth_it and self._again(failure):
            return Retry(delay)
        if failure.lost is not None or not self.fallback.isdisjoint(failure.codes):
            return "next"
        return "fail"

    def _again(self, failure: Failure) -> bool:
        # Who waited in vain once would only wait as long again.
        if failure.lost is not None:
            return failure.lost == "connection"
        return not self.retried.isdisjoint(failure.codes)


DEFAULT: Final = Policy()
"""The policy of a target that no rule speaks of."""
