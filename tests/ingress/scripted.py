"""Second implementations of what stands behind the data plane: the terminal and the resource watch, by script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.call import Json
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.authorize import Permitted

Script = Callable[[Invocation], Awaitable[Result]]


class Terminal:
    """An `Invoke` that runs a script per target and remembers what reached it."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.calls: list[Invocation] = []
        self.cancelled: list[str] = []
        self.entered = asyncio.Event()

    async def __call__(self, permitted: Permitted[Invocation]) -> Result:
        invocation = permitted.call
        self.calls.append(invocation)
        self.entered.set()
        try:
            return await self.scripts.get(invocation.target, _ok)(invocation)
        except asyncio.CancelledError:
            self.cancelled.append(invocation.target)
            raise

    def answers(self, target: str, result: Result) -> None:
        async def script(invocation: Invocation) -> Result:
            return result

        self.scripts[target] = script

    def fails(self, target: str, error: BaseException) -> None:
        async def script(invocation: Invocation) -> Result:
            raise error

        self.scripts[target] = script

    def hangs(self, target: str) -> asyncio.Event:
        """Let `target` wait for the event that is returned, then answer."""
        released = asyncio.Event()

        async def script(invocation: Invocation) -> Result:
            await released.wait()
            return await _ok(invocation)

        self.scripts[target] = script
        return released


async def _ok(invocation: Invocation) -> Result:
    return {"resultType": "complete", "content": [{"type": "text", "text": f"{invocation.target} done"}]}


class ScriptedWatch:
    """A `WatchResource` whose updates the test publishes."""

    def __init__(self) -> None:
        self.held: list[tuple[str, str, str, Callable[[Json], None]]] = []
        self.refused: dict[str, BaseException] = {}
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(
        self, upstream: str, uri: str, principal: Principal, on_update: Callable[[Json], None]
    ) -> Callable[[], None]:
        if uri in self.refused:
            raise self.refused[uri]
        entry = (upstream, uri, principal.id, on_update)
        self.held.append(entry)
        if uri in self.gates:
            await self.gates[uri].wait()

        def release() -> None:
            if entry in self.held:
                self.held.remove(entry)

        return release

    def update(self, uri: str, **extra: Any) -> None:
        for _, watched, _, on_update in tuple(self.held):
            if watched == uri:
                on_update({"uri": uri, **extra})
