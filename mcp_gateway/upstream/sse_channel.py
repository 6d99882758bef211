"""HTTP+SSE, the deprecated transport (2024-11-05): answers on one long stream, requests by POST beside it.

The stream's first event names the address to post to. It must be of the same origin: an upstream may not
make the gateway send its credentials anywhere else. A stream that ends is not resumed; the conversation is over.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urljoin

from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.origin import BadUrl, parse_url
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.egress.template import Headers, Template
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.sse import SseDecoder, SseEvent
from mcp_gateway.upstream.channel_duplex import MAX_MESSAGE, Receiver

_ACCEPT: Final = ((b"accept", b"text/event-stream"), (b"cache-control", b"no-store"))
_JSON: Final = (b"content-type", b"application/json")
_EVENT_STREAM: Final = b"text/event-stream"
_ENDPOINT: Final = b"endpoint"
_FOREVER: Final = float("inf")
_GONE: Final = frozenset({404, 410})
_POST_SECONDS: Final = 10.0
MAX_POSTS: Final = 64
"""Messages nobody waits for (cancellations, replies) that may be on their way at once."""


async def connect(
    client: HttpClient,
    url: str,
    *,
    deadline: float,
    headers: Headers = (),
    upstream: str = "",
    max_message: int = MAX_MESSAGE,
) -> SseDuplex:
    """Open the stream at `url`, which must be of the client's origin, and wait for its endpoint.

    `headers` go with every request of this channel. The client stays the caller's to close. Handshake-era
    servers only: open the result with a handshake version, not ``auto``.

    Raises `Unreachable` and `TimedOut` (``sent=False``), `ProtocolViolation`.
    """
    origin, target = parse_url(url)
    if origin != client.origin:
        raise ValueError("the client is of another origin than the URL")
    template = client.prepare("GET", target, (*_ACCEPT, *headers))
    try:
        response = await client.send(template, (), b"", deadline=deadline)
    except (Unreachable, TimedOut) as error:
        error.upstream, error.sent = upstream, False  # no request of a caller was at stake
        raise
    duplex = SseDuplex(client, response, url, headers=headers, upstream=upstream, max_message=max_message)
    ready = False
    try:
        duplex.check()
        await duplex.endpoint(deadline)
        ready = True
    finally:
        if not ready:
            await duplex.close()
    return duplex


class SseDuplex:
    """A `Duplex` over one event stream and POST requests."""

    def __init__(
        self, client: HttpClient, response: Response, url: str, *, headers: Headers, upstream: str, max_message: int
    ) -> None:
        self._client = client
        self._response = response
        self._url = url
        self._headers = tuple(headers)
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._decoder = SseDecoder(max_message)
        self._max_message = max_message
        self._template: asyncio.Future[Template] = self._loop.create_future()
        self._receiver: Receiver | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._closed: UpstreamError | None = None
        self._posts: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None

    @property
    def closed(self) -> UpstreamError | None:
        """Why the channel is dead; None while it is not."""
        return self._closed

    def check(self) -> None:
        """Raise `Unreachable` or `ProtocolViolation` unless the answer to the GET is an event stream."""
        status, kind = self._response.status, self._response.headers.get(b"content-type", b"")
        if status != 200:
            raise Unreachable(
                f"the upstream answered the event stream with HTTP {status}", sent=False, upstream=self._upstream
            )
        if kind.partition(b";")[0].strip().lower() != _EVENT_STREAM:
            raise ProtocolViolation("the upstream did not answer with an event stream", upstream=self._upstream)

    async def endpoint(self, deadline: float) -> None:
        """Begin to read, and wait for the event that names the address to post to."""
        self._reader = self._loop.create_task(self._read())
        await asyncio.wait({self._template}, timeout=max(0.0, deadline - self._loop.time()))
        if not self._template.done():
            raise TimedOut("the upstream named no endpoint in time", sent=False, upstream=self._upstream)
        if self._template.cancelled() or self._closed is not None:
            reason = self._closed
            if isinstance(reason, ProtocolViolation):
                raise reason
            raise Unreachable("the event stream ended at once", sent=False, upstream=self._upstream)

    # ------------------------------------------------------------ Duplex

    def attach(self, receiver: Receiver) -> None:
        """Begin to deliver to `receiver`."""
        self._receiver = receiver
        early, self._early = self._early, []
        for raw in early:
            receiver.feed(raw)
        if self._closed is not None:
            receiver.lost(self._closed)

    async def send(self, message: bytes, deadline: float) -> None:
        """Post one message. A refusal with 404 or 410 means that the stream's session is gone."""
        if self._closed is not None:
            raise Unreachable(self._closed.message, sent=False, upstream=self._upstream)
        try:
            response = await self._client.send(self._template.result(), (), message, deadline=deadline)
        except UpstreamError as error:
            error.upstream = self._upstream
            raise
        response.abort()  # nothing of interest is in it, and a connection whose answer is complete is kept anyway
        if not 200 <= response.status < 300:
            self._refused(response.status)

    def _refused(self, status: int) -> None:
        message = f"the upstream answered a message with HTTP {status}"
        if status in _GONE:
            self._fail(Unreachable(message, sent=True, upstream=self._upstream))
        raise Unreachable(message, sent=status >= 500, upstream=self._upstream)

    def post(self, message: bytes) -> bool:
        """Post one message in the background."""
        if self._closed is not None or len(self._posts) >= MAX_POSTS:
            return False
        task = self._loop.create_task(self._post(message))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)
        return True

    async def close(self) -> None:
        """Close the stream and give up what is on its way."""
        self._fail(Unreachable("the event stream was closed", sent=True, upstream=self._upstream))
        tasks = [task for task in (*self._posts, self._reader) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # ------------------------------------------------------------ inside

    async def _post(self, message: bytes) -> None:
        try:
            await self.send(message, self._loop.time() + _POST_SECONDS)
        except UpstreamError:
            return  # best effort: whoever needs to know sends instead

    async def _read(self) -> None:
        reason: UpstreamError = Unreachable("the event stream ended", sent=True, upstream=self._upstream)
        try:
            async for piece in self._response.stream(idle_timeout=_FOREVER, deadline=_FOREVER):
                for event in self._decoder.feed(piece):
                    self._take(event)
        except ProtocolViolation as error:
            reason = ProtocolViolation(error.message, upstream=self._upstream)
        except UpstreamError as error:
            reason = Unreachable(error.message, sent=True, upstream=self._upstream)
        self._fail(reason)

    def _take(self, event: SseEvent) -> None:
        if event.event == _ENDPOINT:
            if not self._template.done():  # a second one would move the session to an address nobody asked for
                self._template.set_result(self._post_to(event.data))
        elif event.event == b"message" and event.data and self._closed is None:
            if self._receiver is not None:
                self._receiver.feed(event.data)
            else:
                self._keep(event.data)

    def _keep(self, raw: bytes) -> None:
        self._early.append(raw)
        self._early_bytes += len(raw)
        if self._early_bytes > self._max_message:
            raise ProtocolViolation("the upstream sends more than it was asked for")

    def _post_to(self, data: bytes) -> Template:
        try:
            origin, target = parse_url(urljoin(self._url, data.decode("ascii").strip()))
        except (BadUrl, ValueError):
            raise ProtocolViolation("the endpoint that the upstream names is not a URL") from None
        if origin != self._client.origin:
            raise ProtocolViolation("the endpoint that the upstream names is of another origin")
        return self._client.prepare("POST", target, (_JSON, *self._headers))

    def _fail(self, reason: UpstreamError) -> None:
        if self._closed is not None:
            return
        self._closed = reason
        self._early.clear()
        self._response.abort()
        self._template.cancel()
        if self._receiver is not None:
            self._receiver.lost(reason)
