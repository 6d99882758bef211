"""The door: the only maker of `Permitted`.

What reaches an upstream accepts only `Permitted`, so a pipeline that skips the door does not type-check.
The engine behind the door is a `Decide`; `unrestricted` is the engine of a configuration without policies.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from mcp_gateway.core.errors import Forbidden
from mcp_gateway.core.pipeline import Handler

C = TypeVar("C")
R = TypeVar("R")
C_contra = TypeVar("C_contra", contravariant=True)

_DOOR = object()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call may go on. `policies` are the ids of the determining policies."""

    allowed: bool
    policies: tuple[str, ...] = ()


class Decide(Protocol[C_contra]):
    """A policy engine: one call in, one decision out, without waiting."""

    def __call__(self, call: C_contra) -> Decision: ...


class Permitted(Generic[C]):
    """A call that went through the door, with the decision that let it pass."""

    __slots__ = ("call", "decision")

    def __init__(self, call: C, decision: Decision, *, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("only Authorize makes Permitted")
        self.call = call
        self.decision = decision


class Authorize(Generic[C]):
    """Asks `decide` and lets the call through, or raises `Forbidden` with the determining policies."""

    __slots__ = ("_decide",)

    def __init__(self, decide: Decide[C]) -> None:
        self._decide = decide

    def __call__(self, call: C, call_next: Handler[Permitted[C], R]) -> Awaitable[R]:
        decision = self._decide(call)
        if not decision.allowed:
            raise Forbidden("denied by policy", policies=decision.policies)
        return call_next(Permitted(call, decision, door=_DOOR))

    def guarding(self, call_next: Handler[Permitted[C], R]) -> Handler[C, R]:
        """The handler that stands for everything behind this door."""

        def handler(call: C) -> Awaitable[R]:
            return self(call, call_next)

        return handler


_ALLOWED = Decision(allowed=True)


def unrestricted(call: object) -> Decision:
    """The engine of a configuration that has no policies: every call may go on."""
    return _ALLOWED
