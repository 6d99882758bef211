import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pytest import mark, raises

from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.origin import parse_url
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.upstream import sse_channel
from mcp_gateway.upstream.channel_conversation import ChannelConversation
from mcp_gateway.upstream.channel_open import open_channel
from mcp_gateway.upstream.sse_channel import SseDuplex
from mcp_gateway.upstream.wire import HANDSHAKE, Exchange
from tests.upstream.channel_peer import INITIALIZED, Message

OPENING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n"
Post = Callable[["Server", Message], Awaitable[int]]


def at(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def accept(server: "Server", message: Message) -> int:
    """Answer like a small server: `echo` gives its params back."""
    if "id" in message:
        result = INITIALIZED if message["method"] == "initialize" else message.get("params")
        server.event(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())
    return 202


class Server:
    """The old transport over raw sockets: `opening` answers the GET, `post` decides about each message."""

    def __init__(self, *, opening: bytes = OPENING, endpoint: str = "/post?session=1", post: Post = accept) -> None:
        self.opening = opening
        self.endpoint = endpoint
        self.post = post
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.messages: list[Message] = []
        self.stream: asyncio.StreamWriter | None = None
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def event(self, data: bytes, name: bytes = b"message") -> None:
        assert self.stream is not None
        self.stream.write(b"event: " + name + b"\r\ndata: " + data + b"\r\n\r\n")

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/sse"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = first.split(" ")
                headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields if f)}
                self.requests.append((method, target, headers))
                if method == "GET":
                    await self._open(writer)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.messages.append(json.loads(body))
                status = await self.post(self, self.messages[-1])
                writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 8\r\n\r\nAccepted".encode())
        self._tasks.discard(task)
        writer.close()

    async def _open(self, writer: asyncio.StreamWriter) -> None:
        self.stream = writer
        writer.write(self.opening)
        if self.endpoint:
            self.event(self.endpoint.replace("ORIGIN", self.url.removesuffix("/sse")).encode(), b"endpoint")
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def client_of(url: str) -> AsyncIterator[HttpClient]:
    client = HttpClient(parse_url(url)[0], guard=AddressGuard(AddressPolicy.operator()))
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def channel_to(url: str, **options: int) -> AsyncIterator[SseDuplex]:
    async with client_of(url) as client:
        headers = ((b"authorization", b"Bearer t"),)
        duplex = await sse_channel.connect(
            client, url, deadline=at(10), headers=headers, upstream="u", max_message=options.get("max_message", 1 << 20)
        )
        try:
            yield duplex
        finally:
            await duplex.close()


@contextlib.asynccontextmanager
async def conversation_with(url: str, **options: int) -> AsyncIterator[ChannelConversation]:
    async with channel_to(url, **options) as duplex:
        yield await open_channel(
            duplex,
            protocol=HANDSHAKE[0],
            capabilities={},
            client_info=None,
            on_event=lambda method, params: None,
            deadline=at(10),
            upstream="u",
        )


def echo(conversation: ChannelConversation, params: Message, seconds: float = 10) -> Awaitable[Message]:
    return conversation.request("echo", params, Exchange(deadline=at(seconds)))


# ---------------------------------------------------------------- the SDK's server


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # as in uvicorn
        yield


@contextlib.asynccontextmanager
async def sdk_server() -> AsyncIterator[str]:
    offer = MCPServer("old")

    @offer.tool()
    async def double(number: int, ctx: Context) -> int:
        await ctx.report_progress(1, 2)
        return 2 * number

    server = _Quiet(uvicorn.Config(offer.sse_app(), port=0, log_level="error", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/sse"
    finally:
        server.should_exit = True
        await task


@mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_sdk_server_is_used_by_many_at_once() -> None:
    async with sdk_server() as url, conversation_with(url) as conversation:
        assert conversation.server_info["name"] == "old"
        told: list[tuple[str, Message]] = []

        async def double(number: int) -> int:
            params = {"name": "double", "arguments": {"number": number}}
            exchange = Exchange(deadline=at(20), progress=True, notify=lambda method, p: told.append((method, p)))
            result = await conversation.request("tools/call", params, exchange)
            return int(result["content"][0]["text"])

        assert await asyncio.gather(*map(double, range(40))) == [2 * number for number in range(40)]
        assert [method for method, _ in told] == ["notifications/progress"] * 40
        assert all("progressToken" not in params for _, params in told)


# ---------------------------------------------------------------- the way to post


@mark.parametrize("endpoint", ["/post?session=1", "post?session=1", "ORIGIN/post?session=1", "?session=1"])
async def test_the_endpoint_may_be_relative_or_absolute(endpoint: str) -> None:
    async with Server(endpoint=endpoint) as server, conversation_with(server.url) as conversation:
        assert await echo(conversation, {"a": 1}) == {"a": 1}
        targets = {target for method, target, _ in server.requests if method == "POST"}
        assert targets == {"/sse?session=1" if endpoint.startswith("?") else "/post?session=1"}
        assert {headers["authorization"] for _, _, headers in server.requests} == {"Bearer t"}
        assert server.requests[0][2]["accept"] == "text/event-stream"
        assert {h["content-type"] for m, _, h in server.requests if m == "POST"} == {"application/json"}


@mark.parametrize(
    "endpoint",
    ["http://evil.example/post", "//evil.example/post", "http://127.0.0.1:1/post", "https://127.0.0.1/post",
     "file:///etc/passwd", "http://u:p@127.0.0.1/post", "javascript:1", "/post#fragment", "http://[bad/"],
)  # fmt: skip
async def test_an_endpoint_elsewhere_is_a_violation(endpoint: str) -> None:
    async with Server(endpoint=endpoint) as server:
        with raises(ProtocolViolation) as caught:
            async with channel_to(server.url):
                pass
        assert caught.value.upstream == "u"
        assert [method for method, _, _ in server.requests] == ["GET"]


async def test_a_second_endpoint_changes_nothing() -> None:
    async with Server() as server, conversation_with(server.url) as conversation:
        server.event(b"http://evil.example/post", b"endpoint")
        server.event(b"/other", b"endpoint")
        assert await echo(conversation, {"a": 1}) == {"a": 1}
        assert {target for method, target, _ in server.requests if method == "POST"} == {"/post?session=1"}


async def test_an_endpoint_that_never_comes_is_given_up() -> None:
    async with Server(endpoint="") as server, client_of(server.url) as client:
        with raises(TimedOut) as caught:
            await sse_channel.connect(client, server.url, deadline=at(0.1), upstream="u")
        assert not caught.value.sent


@mark.parametrize(
    ("opening", "error"),
    [
        (b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n", Unreachable),
        (b"HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n", Unreachable),
        (b"HTTP/1.1 302 x\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n", Unreachable),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n", ProtocolViolation),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ProtocolViolation),
        (OPENING.replace(b"\r\n\r\n", b"\r\ncontent-length: 0\r\n\r\n"), Unreachable),
    ],
)
async def test_what_is_no_event_stream_is_refused(opening: bytes, error: type[Exception]) -> None:
    async with Server(opening=opening, endpoint="") as server:
        with raises(error):
            async with channel_to(server.url):
                pass


async def test_a_url_of_another_origin_is_the_callers_mistake() -> None:
    async with client_of("http://127.0.0.1:9/") as client:
        with raises(ValueError, match="origin"):
            await sse_channel.connect(client, "http://127.0.0.1:8/sse", deadline=at(1))


# ---------------------------------------------------------------- what goes wrong later


async def test_the_end_of_the_stream_fails_everyone_who_waits() -> None:
    async def end(server: Server, message: Message) -> int:
        if message["method"] == "echo":
            assert server.stream is not None
            server.stream.close()
            return 202
        return await accept(server, message)

    async with Server(post=end) as server, conversation_with(server.url) as conversation:
        with raises(Unreachable) as caught:
            await echo(conversation, {})
        assert caught.value.sent
        assert not conversation.alive


@mark.parametrize(
    ("status", "sent", "alive"), [(404, False, False), (410, False, False), (400, False, True), (503, True, True)]
)
async def test_a_refused_message_fails_its_request(status: int, sent: bool, alive: bool) -> None:
    async def refuse(server: Server, message: Message) -> int:
        return status if message["method"] == "echo" else await accept(server, message)

    async with Server(post=refuse) as server, conversation_with(server.url) as conversation:
        with raises(Unreachable) as caught:
            await echo(conversation, {})
        assert (caught.value.sent, caught.value.upstream, conversation.alive) == (sent, "u", alive)


async def test_an_event_beyond_the_cap_is_a_violation() -> None:
    async def flood(server: Server, message: Message) -> int:
        if message["method"] == "echo":
            server.event(b"x" * 100_000)
            return 202
        return await accept(server, message)

    async with Server(post=flood) as server, conversation_with(server.url, max_message=50_000) as conversation:
        with raises(ProtocolViolation):
            await echo(conversation, {})
        assert not conversation.alive


async def test_garbage_on_the_stream_is_dropped() -> None:
    async with Server() as server, conversation_with(server.url) as conversation:
        server.event(b"not json")
        server.event(b'{"jsonrpc":"2.0","id":999,"result":{}}')
        server.event(b'{"jsonrpc":"2.0","id":2,"result":{"leak":1}}', b"vendor")
        assert await echo(conversation, {"a": 1}) == {"a": 1}
        assert conversation.dropped == {"malformed": 1, "unknown": 1}


async def test_cancelling_a_request_posts_the_cancellation() -> None:
    told = asyncio.Event()

    async def hang(server: Server, message: Message) -> int:
        if message["method"] == "notifications/cancelled":
            told.set()
        return 202 if message["method"] == "echo" else await accept(server, message)

    async with Server(post=hang) as server, conversation_with(server.url) as conversation:
        with raises(TimedOut):
            await echo(conversation, {}, seconds=0.2)
        await asyncio.wait_for(told.wait(), 10)
        request = next(message for message in server.messages if message["method"] == "echo")
        assert server.messages[-1]["params"]["requestId"] == request["id"]


async def test_closing_twice_is_safe() -> None:
    async with Server() as server, conversation_with(server.url) as conversation:
        await conversation.close()
        await conversation.close()
        with raises(Unreachable) as caught:
            await echo(conversation, {})
        assert not caught.value.sent
