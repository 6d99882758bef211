"""The door: the only maker of `Permitted`.

What reaches an upstream accepts only `Permitted`, so a pipeline that skips the door does not type-check.
The engine behind the door is a `Decide`; `unrestricted` is the engine of a configuration without policies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from mcp_gateway.core.errors import Forbidden
from mcp_gateway.core.pipeline import Handler

C = TypeVar("C")
R = TypeVar("R")
C_contra = TypeVar("C_contra", contravariant=True)

_DOOR = object()


class Decision(NamedTuple):
    """Whether a call may go on. `policies` are the ids of the determining policies."""

    allowed: bool
    policies: tuple[str, ...] = ()


class Decide(Protocol[C_contra]):
    """A policy engine: one call in, one decision out, without waiting."""

    def __call__(self, call: C_contra) -> Decision: ...


class Release(Protocol[C_contra]):
    """Whether the result of a call has to be decided on too: how, or None where no policy looks at it."""

    def __call__(self, call: C_contra) -> Callable[[Any], Decision] | None: ...


class Permitted(Generic[C]):
    """A call that went through the door, with the decision that let it pass."""

    __slots__ = ("call", "decision")

    def __init__(self, call: C, decision: Decision, *, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("only Authorize makes Permitted")
        self.call = call
        self.decision = decision


class Authorize(Generic[C]):
    """Asks `decide` and lets the call through, or raises `Forbidden` with the determining policies.

    With `release`, results that a policy looks at are let out only if it says so: the call has been carried out
    then, and its result is withheld.
    """

    __slots__ = ("_decide", "_release")

    def __init__(self, decide: Decide[C], release: Release[C] | None = None) -> None:
        self._decide = decide
        self._release = release

    def __call__(self, call: C, call_next: Handler[Permitted[C], R]) -> Awaitable[R]:
        decision = self._decide(call)
        if not decision.allowed:
            raise Forbidden("denied by policy", policies=decision.policies)
        permitted = Permitted(call, decision, door=_DOOR)
        judge = None if self._release is None else self._release(call)
        return call_next(permitted) if judge is None else _released(permitted, call_next, judge)

    def guarding(self, call_next: Handler[Permitted[C], R]) -> Handler[C, R]:
        """The handler that stands for everything behind this door."""

        # As in `compose`: a method is run in the frame of its caller.
        run = self.__call__

        def handler(call: C) -> Awaitable[R]:
            return run(call, call_next)

        return handler


async def _released(permitted: Permitted[C], call_next: Handler[Permitted[C], R], judge: Callable[[R], Decision]) -> R:
    result = await call_next(permitted)
    decision = judge(result)
    if not decision.allowed:
        raise Forbidden("the result is withheld by policy", policies=decision.policies)
    return result


_ALLOWED = Decision(allowed=True)


def unrestricted(call: object) -> Decision:
    """The engine of a configuration that has no policies: every call may go on."""
    return _ALLOWED
