"""The grammar of every pipeline: handlers, stages, checks, and how they fold into one handler.

A pipeline is a literal list of stages around a terminal handler. It is folded when configuration
changes, never per request, so nesting costs nothing at call time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

C = TypeVar("C")
R = TypeVar("R")
C_contra = TypeVar("C_contra", contravariant=True)

Handler = Callable[[C], Awaitable[R]]
"""Takes a call, returns its result, raises `GatewayError`."""


class Stage(Protocol[C, R]):
    """Sees the call on its way in and the result on its way out."""

    def __call__(self, call: C, call_next: Handler[C, R]) -> Awaitable[R]: ...


class Check(Protocol[C_contra]):
    """May only refuse, by raising. Never waits, never rewrites."""

    def __call__(self, call: C_contra) -> None: ...


def compose(stages: Sequence[Stage[C, R]], terminal: Handler[C, R]) -> Handler[C, R]:
    """Fold `stages`, outermost first, around `terminal`."""
    handler = terminal
    for stage in reversed(stages):
        handler = _around(stage, handler)
    return handler


def _around(stage: Stage[C, R], call_next: Handler[C, R]) -> Handler[C, R]:
    # A method is run in the frame of its caller; what can be called without being one is not.
    run = stage.__call__

    # Returns the stage's own coroutine instead of awaiting it in another one: one frame fewer per stage.
    def handler(call: C) -> Awaitable[R]:
        return run(call, call_next)

    return handler


def checked(checks: Sequence[Check[C]], call_next: Handler[C, R]) -> Handler[C, R]:
    """A handler that runs `checks` in order before `call_next`."""

    def handler(call: C) -> Awaitable[R]:
        for check in checks:
            check(call)
        return call_next(call)

    return handler
