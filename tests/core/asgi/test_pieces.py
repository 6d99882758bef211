"""The pieces of the edge that need no socket: bodies, hosts, slots, draining, watching."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from mcp_gateway.core.asgi.body import BodyTooLarge, ClientDisconnected, read_body
from mcp_gateway.core.asgi.disconnect import EXTENSION, watch
from mcp_gateway.core.asgi.drain import Drain
from mcp_gateway.core.asgi.hosts import AllowedOrigins, turn_away
from mcp_gateway.core.asgi.inflight import InFlight
from mcp_gateway.core.asgi.respond import end, respond, send_chunk, start_sse
from mcp_gateway.core.asgi.types import REQUEST_ID, Message, Receive, Scope, Send


@dataclass(slots=True)
class Client:
    """A fake ASGI server with one request."""

    incoming: Sequence[Message] = ()
    sent: list[Message] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _next: int = 0

    async def receive(self) -> Message:
        if self._next < len(self.incoming):
            self._next += 1
            return self.incoming[self._next - 1]
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.sent:
            raise RuntimeError("a response was begun already")
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def error(self) -> Any:
        return json.loads(self.sent[1]["body"])


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def scope(*headers: tuple[bytes, bytes], client: str = "10.0.0.1") -> Scope:
    return {"type": "http", "headers": list(headers), "client": (client, 1)}


async def ok(_scope: Scope, _receive: Receive, send: Send) -> None:
    await respond(send, 200, b"ok")


# ---------------------------------------------------------------- body


@pytest.mark.parametrize("parts", [[part(b"abcdef")], [part(b"abc", True), part(b"", True), part(b"def")]], ids=len)
async def test_reads_a_body_up_to_the_limit(parts: list[Message]) -> None:
    assert await read_body(Client(parts).receive, 6) == b"abcdef"
    with pytest.raises(BodyTooLarge) as caught:
        await read_body(Client(parts).receive, 5)
    assert caught.value.limit == 5


@pytest.mark.parametrize("parts", [[], [part(b"abc", True)]], ids=len)
async def test_a_client_that_leaves_in_the_middle_is_no_body(parts: list[Message]) -> None:
    client = Client(parts)
    client.left.set()
    with pytest.raises(ClientDisconnected):
        await read_body(client.receive, 100)


# ---------------------------------------------------------------- hosts

ALLOWED = AllowedOrigins.derive(
    "https://Gw.Example.com", ["http://localhost:6274", "gw.internal:8080"], listen=("127.0.0.1", 8080)
)


@pytest.mark.parametrize(
    "host",
    [
        "gw.example.com",
        "GW.example.COM",
        "gw.example.com:443",
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "gw.internal:8080",
    ],
)
def test_hosts_of_ours(host: str) -> None:
    assert ALLOWED.refusal([(b"host", host.encode())]) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil",
        "",
        "gw.example.com.",
        "gw.example.com:80",
        "gw.example.com.evil",
        "x/health?a=",
        "gw.example.com@evil",
        "localhost",
        "localhost:8081",
        "127.0.0.1",
        "127.0.0.2:8080",
        "0.0.0.0:8080",
        "gw.internal",
        "localhost:6274",
    ],
)
def test_foreign_hosts(host: str) -> None:
    assert ALLOWED.refusal([(b"host", host.encode())]) == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://gw.example.com", None),
        ("HTTPS://gw.example.com:443", None),
        ("http://localhost:6274", None),
        ("http://localhost:8080", None),
        ("http://[::1]:8080", None),
        ("null", 403),
        ("", 403),
        ("http://gw.example.com", 403),
        ("https://gw.example.com.evil", 403),
        ("https://gw.example.com:8443", 403),
        ("http://localhost", 403),
        ("http://gw.internal:8080", 403),
        ("https://evil", 403),
    ],
)
def test_origins(origin: str, status: int | None) -> None:
    assert ALLOWED.refusal([(b"host", b"gw.example.com"), (b"origin", origin.encode())]) == status


def test_a_request_without_host_or_with_one_bad_of_two_is_refused() -> None:
    good, bad = (b"host", b"gw.example.com"), (b"host", b"evil")
    assert ALLOWED.refusal([]) == 421
    assert ALLOWED.refusal([good, bad]) == 421
    assert ALLOWED.refusal([bad, good]) == 421
    origins = [(b"origin", b"null"), (b"origin", b"https://gw.example.com")]
    assert ALLOWED.refusal([good, *origins]) == ALLOWED.refusal([good, *reversed(origins)]) == 403


def test_a_public_listener_does_not_answer_to_loopback_names() -> None:
    allowed = AllowedOrigins.derive("http://gw.example.com:8080", listen=("0.0.0.0", 8080))
    assert allowed.hosts == {b"gw.example.com:8080"}


@pytest.mark.parametrize("entry", ["", "ftp://x", "http://", "https://user@x", "a b@c"])
def test_an_entry_that_is_no_address_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError):
        AllowedOrigins.derive("http://x", [entry])


async def test_the_answer_to_a_stranger_has_no_id_and_names_nothing() -> None:
    for headers, status, reason in (
        ([(b"host", b"evil")], 421, "host_not_allowed"),
        ([(b"host", b"gw.example.com"), (b"origin", b"https://evil")], 403, "origin_not_allowed"),
    ):
        client = Client()
        assert ALLOWED.refusal(headers) == status
        await turn_away(client.send, status)
        assert client.status == status
        assert "id" not in client.error and client.error["error"]["data"]["reason"] == reason
        assert "evil" not in str(client.sent) and b"access-control-allow-origin" not in dict(client.sent[0]["headers"])
    assert ALLOWED.refusal([(b"host", b"gw.example.com")]) is None


# ---------------------------------------------------------------- in flight


def test_caps_per_client_and_in_all_and_frees_what_leaves() -> None:
    inflight = InFlight(total=3, per_client=2)
    held = [inflight.enter(client) for client in ("a", "a", "b")]
    assert all(held) and inflight.count == 3
    assert inflight.enter("a") is None, "the client has none left"
    assert inflight.enter("c") is None, "the gateway has none left"
    for slot in held:
        assert slot is not None
        slot.leave()
    assert inflight.count == 0 and inflight._clients == {}


def test_one_client_cannot_take_what_is_left_for_others() -> None:
    inflight = InFlight(total=3, per_client=1)
    assert inflight.enter("a") is not None
    assert inflight.enter("a") is None
    assert inflight.enter("b") is not None


def test_a_slot_is_given_back_once() -> None:
    inflight = InFlight(total=2, per_client=2)
    slot, other = inflight.enter("a"), inflight.enter("a")
    assert slot is not None and other is not None
    slot.leave()
    slot.leave()
    assert inflight.count == 1


# ---------------------------------------------------------------- drain


async def _start(drain: Drain, handler: Any) -> tuple[asyncio.Task[None], Client]:
    fake = Client()
    task: asyncio.Task[None] = asyncio.ensure_future(drain.track(handler)(scope(), fake.receive, fake.send))
    await asyncio.sleep(0)
    return task, fake


async def test_draining_closes_streams_and_lets_requests_finish() -> None:
    drain, release, order = Drain(), asyncio.Event(), []
    drain.ready = True

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await start_sse(send)
        await drain.closing.wait()
        order.append("closing")
        await end(send, b"data: bye\n\n")
        release.set()

    async def call(_scope: Scope, _receive: Receive, send: Send) -> None:
        await release.wait()
        order.append("answered")
        await respond(send, 200)

    _, streamed = await _start(drain, stream)
    _, called = await _start(drain, call)
    assert drain.count == 2
    assert await drain.run(lambda: order.append(f"stopped, ready={drain.ready}"), deadline=10)
    assert order == ["stopped, ready=False", "closing", "answered"]
    assert streamed.sent[-1]["body"] == b"data: bye\n\n" and called.status == 200
    assert drain.count == 0 and not drain.expired


async def test_past_the_deadline_requests_are_cancelled_and_told() -> None:
    drain = Drain()
    told = []

    async def stuck(scope: Scope, _receive: Receive, _send: Send) -> None:
        scope[REQUEST_ID] = "r-1"
        await asyncio.Event().wait()

    async def stuck_stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await start_sse(send)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(drain.expired)
            await send_chunk(send, b"data: cut off\n\n")
            raise

    task, fake = await _start(drain, stuck)
    stream_task, stream = await _start(drain, stuck_stream)
    assert not await drain.run(lambda: None, deadline=0)
    await task
    await stream_task
    assert fake.status == 503 and fake.error["error"]["data"]["reason"] == "overloaded"
    assert (b"x-request-id", b"r-1") in fake.sent[0]["headers"]
    assert told == [True] and [m["type"] for m in stream.sent] == ["http.response.start", "http.response.body"]


async def test_a_cancellation_of_another_cause_passes() -> None:
    drain = Drain()

    async def stuck(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    task, fake = await _start(drain, stuck)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fake.sent == [] and drain.count == 0


# ---------------------------------------------------------------- disconnect


async def test_a_watcher_calls_back_once_after_the_rest_of_the_body() -> None:
    client, called = Client([part(b"")]), asyncio.Event()
    calls: list[int] = []

    def left() -> None:
        calls.append(1)
        called.set()

    watcher = watch(client.receive, left, after=0)
    client.left.set()
    await called.wait()
    watcher.stop()
    assert calls == [1]


@pytest.mark.parametrize("started", [False, True])
async def test_a_stopped_watcher_stays_silent(started: bool) -> None:
    client, calls = Client(), []
    with watch(client.receive, lambda: calls.append(1), after=0 if started else 3600) as watcher:
        while started and watcher._task is None:
            await asyncio.sleep(0)
    client.left.set()
    await asyncio.gather(*(t for t in asyncio.all_tasks() if t is not asyncio.current_task()), return_exceptions=True)
    assert calls == [] and (watcher._task is None or watcher._task.cancelled())


async def test_a_watcher_prefers_the_word_of_the_server() -> None:
    registered: list[Any] = []
    calls: list[int] = []
    with watch(
        Client().receive, lambda: calls.append(1), scope={"extensions": {EXTENSION: registered.append}}
    ) as watcher:
        registered[0]()
        registered[0]()
        assert watcher._handle is None and watcher._task is None
    assert calls == [1] and registered[1] is None
