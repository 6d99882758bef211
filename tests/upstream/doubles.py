"""Test doubles of the upstream room: callers with a recording link, a scripted conversation."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from mcp_gateway.calls.kinds import Invocation, Kind, Result, ToolBinding
from mcp_gateway.core.call import Call, Client, Json, Session, Trail
from mcp_gateway.core.errors import Rejected
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted, unrestricted
from mcp_gateway.settings.upstreams import HttpUpstream, StdioUpstream
from mcp_gateway.upstream.connect import Hello
from mcp_gateway.upstream.fleet import Fleet
from mcp_gateway.upstream.spec import Log, UpstreamSpec
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange

ROOT = Path(__file__).resolve().parent.parent.parent
HANDSHAKE = "2025-11-25"
ALICE = Principal(id="corp|alice", subject="alice")
BOB = Principal(id="corp|bob", subject="bob")

log: Log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for `condition`; fails when it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class RecordingLink:
    """A client that records what it is notified of and answers every question with `answer`."""

    def __init__(self, answer: Json | None = None) -> None:
        self.notes: list[tuple[str, Json]] = []
        self.asked: list[tuple[str, Json]] = []
        self._answer = answer

    def notify(self, method: str, params: Json) -> None:
        self.notes.append((method, params))

    async def ask(self, method: str, params: Json) -> Json:
        self.asked.append((method, params))
        if self._answer is None:
            raise Rejected(-1, "no")
        return self._answer


class HeldSession:
    """A client's handshake-era session."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.log_level: str | None = None
        self.notes: list[tuple[str, Json]] = []
        self.held: dict[str, Callable[[], None]] = {}

    def notify(self, method: str, params: Json) -> None:
        self.notes.append((method, params))

    def hold(self, key: str, release: Callable[[], None]) -> None:
        self.release(key)
        self.held[key] = release

    def release(self, key: str) -> None:
        held = self.held.pop(key, None)
        if held is not None:
            held()

    def end(self) -> None:
        for key in tuple(self.held):
            self.release(key)


def tool_call(
    upstream: str,
    tool: str,
    arguments: Json | None = None,
    *,
    modern: bool = True,
    principal: Principal = ANONYMOUS,
    capabilities: Json | None = None,
    link: RecordingLink | None = None,
    session: Session | None = None,
    meta: Json | None = None,
    log_level: str | None = None,
    seconds: float = 20.0,
    binding: ToolBinding | None = None,
) -> Invocation:
    """A tools/call that has come as far as the terminal of the inner pipeline."""
    call = Call(
        id=1,
        request_id="r1",
        server="test",
        method="tools/call",
        params={"name": tool, "_meta": meta or {}},
        principal=principal,
        client=Client(MODERN if modern else HANDSHAKE, modern, capabilities or {}, {"name": "client", "version": "1"}),
        link=link or RecordingLink(),
        deadline=asyncio.get_running_loop().time() + seconds,
        snapshot="s",
        trail=Trail(),
        session=session,
        log_level=log_level,
    )
    passed = {key: value for key, value in (meta or {}).items() if key != "progressToken"}
    params = {"name": tool, "arguments": arguments or {}}
    return Invocation(
        call=call, kind=Kind.TOOL, upstream=upstream, target=tool, params=params, meta=passed, tool=binding
    )


async def carry_out(fleet: Fleet, invocation: Invocation) -> Result:
    """Through the door, to the upstream."""

    def terminal(permitted: Permitted[Invocation]) -> Awaitable[Result]:
        return fleet.invoke(permitted)

    return await Authorize[Invocation](unrestricted)(invocation, terminal)


def text_of(result: Result) -> str:
    return str(result["content"][0]["text"])


@asynccontextmanager
async def fleet_of(**upstreams: UpstreamSpec) -> AsyncIterator[Fleet]:
    """A fleet that has tried every upstream once."""
    fleet = Fleet(log, base_dir=ROOT)
    try:
        await fleet.apply(upstreams)
        await fleet.settled(30)
        yield fleet
    finally:
        await fleet.close()


@asynccontextmanager
async def http_server(module: str, *options: str) -> AsyncIterator[HttpUpstream]:
    """A fixture server in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "--port", "0", *options, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        port = json.loads(await process.stdout.readline())["port"]
        yield HttpUpstream(url=f"http://127.0.0.1:{port}/mcp")
    finally:
        process.kill()
        await process.wait()
        # The transport closes with its pipes, on the next turns of the loop.
        await process.stdout.read()


def stdio(*command: str) -> StdioUpstream:
    return StdioUpstream(command=command, cwd=ROOT, connect_timeout=25.0)


def stdio_module(module: str, *options: str) -> StdioUpstream:
    return stdio(sys.executable, "-m", module, "--transport", "stdio", *options)


class ScriptedConversation:
    """A `Conversation` that answers from a table: a result, an error to raise, or a function of (params, exchange).

    `requests` records what was asked. With `gate` cleared, requests wait for it.
    """

    def __init__(self, answers: dict[str, Any], *, version: str = MODERN, capabilities: Json | None = None) -> None:
        self.answers = answers
        self.version = version
        self.capabilities: Json = {"tools": {"listChanged": True}} if capabilities is None else capabilities
        self.server_info: Json = {"name": "scripted", "version": "1"}
        self.instructions: str | None = None
        self.alive = True
        self.requests: list[tuple[str, Json, Exchange]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.most_at_once = 0
        self.closed = False

    def count(self, method: str) -> int:
        return sum(1 for asked, _, _ in self.requests if asked == method)

    async def request(self, method: str, params: Json, exchange: Exchange) -> Json:
        self.requests.append((method, params, exchange))
        self.waiting += method != "subscriptions/listen"
        self.most_at_once = max(self.most_at_once, self.waiting)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            answer = self.answers.get(method, Rejected(-32601, "Method not found"))
            if callable(answer):
                answer = answer(params, exchange)
            if isinstance(answer, Awaitable):
                answer = await answer
            if isinstance(answer, BaseException):
                raise answer
            assert isinstance(answer, dict)
            return answer
        finally:
            self.waiting -= method != "subscriptions/listen"

    async def notify(self, method: str, params: Json) -> None:
        self.requests.append((method, params, Exchange(deadline=0)))

    async def close(self) -> None:
        self.alive = False
        self.closed = True


class ScriptedConnector:
    """A `Connector` that hands out what `make` makes, or raises what it returns."""

    def __init__(self, make: Callable[[Hello], Conversation | Exception], kind: str = "http") -> None:
        self.make = make
        self.kind = kind
        self.hellos: list[Hello] = []
        self.forgotten = 0

    async def connect(self, hello: Hello) -> Conversation:
        self.hellos.append(hello)
        await asyncio.sleep(0)
        made = self.make(hello)
        if isinstance(made, Exception):
            raise made
        return made

    def forget(self) -> None:
        self.forgotten += 1

    async def close(self) -> None:
        return None
