"""The HTTP/1.1 edge of one connection: uvicorn's httptools protocol with the limits it lacks.

uvicorn 0.54 on httptools takes headers of any size and number, a missing or repeated Host, and waits forever for a
silent or half-sent connection. `EdgeProtocol` refuses the first and times out the second, and repairs what goes
with them: trailers stay out of the request's headers, an offer to upgrade does not swallow the body, every pipelined
request learns of a lost connection. What the bytes mean is judged in `head.py`; here are sockets, clocks and order.

A request is refused by the edge with a JSON-RPC error without an id and the connection is closed after it. If earlier
requests of the same connection are still being answered, the refusal waits for its turn.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, ClassVar, Final, NoReturn, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from mcp_gateway.core.asgi import refusals
from mcp_gateway.core.asgi.alarm import Alarm
from mcp_gateway.core.asgi.cycle import EdgeCycle, connection_scope
from mcp_gateway.core.asgi.disconnect import EXTENSION
from mcp_gateway.core.asgi.head import by_name, judge, split_target, without_upgrade
from mcp_gateway.core.asgi.limits import EdgeCounters, EdgeLimits
from mcp_gateway.core.asgi.pace import BodyPace
from mcp_gateway.core.asgi.refusals import Refused

_IDLE: Final = 0
"""Between requests: nothing of the next one has come."""
_HEAD: Final = 1
"""Inside the headers of a request."""
_BODY: Final = 2
"""Inside the body of a request."""

_SAMPLE: Final = 64
"""How many connections are looked at to find one to evict: enough to find idle ones when they are the problem."""


class EdgeProtocol(HttpToolsProtocol):
    """One connection. `limits` and `counters` belong to the listener, see `server.edge_protocol`."""

    limits: ClassVar[EdgeLimits]
    counters: ClassVar[EdgeCounters]
    cycle: EdgeCycle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False
        self.url = b""
        self._alarm = Alarm(self.loop, self._expired)
        self._stall = Alarm(self.loop, self._stalled)
        self._phase = _IDLE
        self._fresh = True  # nothing complete has come yet: the header deadline runs from the opening
        self._chunk = 0  # size of the data being parsed
        self._mid = False  # the present message began inside that data, not at its start
        self._head_bytes = 0  # upper bound on the size of the present head
        self._upgrade = False
        self._body_bytes = 0
        self._silent = 0  # bytes since the parser last reported any of the body
        self._pace = BodyPace(self.limits)
        self._fault: Refused | None = None
        self._refusal: Refused | None = None
        self._linger_left = 0
        self._running: EdgeCycle | None = None
        self._base: dict[str, Any] = {}
        self._header_count = self.limits.header_count
        self._lost = False

    # ---------------------------------------------------------------- connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        super().connection_made(transport)
        self._base = connection_scope(transport)
        limits, counters = self.limits, self.counters
        counters.accepted, counters.open = counters.accepted + 1, counters.open + 1
        if counters.open > limits.connections and not self._make_room():
            if counters.open > limits.connections * 5 // 4 + 1:
                counters.refused[refusals.CROWDED[1]] += 1
                transport.abort()  # politeness costs a connection for the time of a linger
            else:
                self._refuse(Refused(*refusals.CROWDED))
            return
        self._alarm.set(self.loop.time() + limits.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self.counters.open -= 1
        self._lost = True
        self._alarm.cancel()
        self._stall.cancel()
        self.pipeline.clear()
        # Of pipelined requests the one in work is not the last one parsed, which is all that uvicorn looks at.
        if self._running is not None:
            self._running.abandon()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall.set(self.loop.time() + self.limits.write_timeout)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall.clear()

    def _make_room(self) -> bool:
        """Evict the connection that has kept us waiting the longest, so that idlers cannot lock others out."""
        victim: EdgeProtocol | None = None
        for other in islice(cast("set[EdgeProtocol]", self.connections), _SAMPLE):
            if other is self or not other._evictable():
                continue
            if victim is None or other._alarm.deadline < victim._alarm.deadline:
                victim = other
        if victim is None:
            return False
        self.counters.evicted += 1
        victim._alarm.clear()
        victim.transport.abort()
        return True

    def _evictable(self) -> bool:
        return not (self.transport.is_closing() or self._refusal is not None or self._phase == _BODY or self._busy())

    def _busy(self) -> bool:
        """Whether a request is being answered; nothing waits in the pipeline unless one is."""
        return self._running is not None and not self._running.response_complete

    # ---------------------------------------------------------------- bytes in

    def data_received(self, data: bytes) -> None:
        size = len(data)
        if self._refusal is not None:
            self._linger_left -= size
            if self._linger_left < 0:
                self.transport.abort()
            return
        before = self._phase
        self._chunk = size
        self._mid = False
        if before == _HEAD:
            self._head_bytes += size
        elif before == _IDLE:
            self._phase = _HEAD
            self._head_bytes = size
        else:
            self._silent += size
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(self._fault or Refused(*refusals.MALFORMED))
            return
        after = self._phase
        if after == _IDLE:
            if self.cycle.response_complete:
                self._alarm.set(self.loop.time() + self.limits.keep_alive_timeout)
        elif after == _HEAD:
            self._await_head(before)
        elif before != _BODY or self._mid:
            self._silent = 0
            self._alarm.set(self._pace.start(self.loop.time(), self._body_bytes))
        elif self._silent > self.limits.header_bytes:
            self._refuse(Refused(*refusals.BIG_HEAD))  # chunk extensions or trailers without end

    def _feed(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                # The parser takes what follows for another protocol, the body of this request included. Java's client
                # offers h2c with the first request of every connection: parse again, without the offer.
                head = without_upgrade(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                data = head + data[stop.args[0] :]

    def _await_head(self, before: int) -> None:
        if self._mid:
            self._head_bytes = 0  # where it began is not known; too low by at most one read
        elif self._head_bytes > self.limits.header_bytes:
            self._refuse(Refused(*refusals.BIG_HEAD))
            return
        if not self._fresh and (self._mid or before != _HEAD):
            self._alarm.set(self.loop.time() + self.limits.header_timeout)

    # ---------------------------------------------------------------- parser callbacks

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._upgrade = False
        self._phase = _HEAD
        if self._mid:
            self._head_bytes = self._chunk

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.limits.url_bytes:
            self._fail(refusals.LONG_URL)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase == _BODY:  # a trailer: nothing here reads one, and it must not pass for a header
            return
        headers = self.headers
        # RFC 9110 §5.5: white space around a value is not part of it; the parser leaves it at the end.
        headers.append((name.lower(), value.strip(b" \t")))
        if len(headers) > self._header_count:
            self._fail(refusals.BIG_HEAD)

    def on_headers_complete(self) -> None:
        limits = self.limits
        if self._head_bytes > limits.header_bytes:
            exact = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if exact > limits.header_bytes:
                self._fail(refusals.BIG_HEAD)
        parser = self.parser
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                self._fail((400, "bad_target", "This server is not a forward proxy"))
            self._upgrade = True
            return
        version = parser.get_http_version()
        try:
            fields = by_name(self.headers)
            expects = judge(version, fields, limits.body_bytes)
            path, raw_path, query = split_target(self.url, fields.get(b"host"))
        except Refused as refused:
            self._fail(refused)
        waiting = self._busy()
        if waiting and len(self.pipeline) >= limits.pipelined:
            self._fail(refusals.PIPELINED)
        self._phase = _BODY
        self._body_bytes = 0
        self._begin(version, path, raw_path, query, expects=expects, waiting=waiting)

    def _begin(self, version: str, path: str, raw_path: bytes, query: bytes, *, expects: bool, waiting: bool) -> None:
        extensions: dict[str, Any] = {}
        scope: Any = {
            **self._base,
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
            "extensions": extensions,
        }
        cycle = EdgeCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        extensions[EXTENSION] = cycle.watch
        self.cycle = cycle
        if waiting:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._start_asgi_task(cycle, self.app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        assert isinstance(cycle, EdgeCycle)  # this class makes no other
        self._running = cycle
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self._task_done)
        self.tasks.add(task)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not self._lost and self.transport.is_closing():
            # An app that failed half-way: its connection is closed, but closing waits for the client to read.
            self._alarm.set(self.loop.time() + self.limits.write_timeout)

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        self._body_bytes += len(body)
        if self._body_bytes > self.limits.body_bytes:
            self._fail((413, "body_too_large", f"The body is larger than {self.limits.body_bytes} bytes"))
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.waiting_for_100_continue = False  # the client did not wait
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._upgrade:
            return
        self._phase = _IDLE
        self.url = b""
        self._mid = True
        self._fresh = False
        self._alarm.clear()
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    def _fail(self, refusal: Refused | tuple[int, str, str]) -> NoReturn:
        """Stop the parser, which hides the exception of a callback in one of its own."""
        self._fault = refusal if isinstance(refusal, Refused) else Refused(*refusal)
        raise self._fault

    # ---------------------------------------------------------------- answers

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        now = self.loop.time()
        if self.transport.is_closing():
            self._alarm.set(now + self.limits.write_timeout)  # for a client that does not take the rest
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._refusal is not None:
            self._answer(self._refusal)
        elif self._phase == _IDLE:
            self._alarm.set(now + self.limits.keep_alive_timeout)

    def _refuse(self, refused: Refused) -> None:
        """Read no further requests; answer this one with an error as soon as the earlier ones are answered."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self.counters.refused[refused.reason] += 1
        self._refusal = refused
        self._linger_left = self.limits.linger_bytes
        self._alarm.clear()
        cycle = self.cycle
        if self._phase == _BODY and cycle is self._running:
            if cycle.response_started:
                self._close()  # it has its answer, or the start of one: nothing may follow
                return
            cycle.abandon()
        elif self._phase == _BODY:
            self.pipeline.popleft()  # it waits behind earlier ones and will not be started
            return
        elif self._busy():
            return
        self._answer(refused)

    def _answer(self, refused: Refused) -> None:
        request_id = refusals.new_id()
        self.transport.write(refusals.encode(refused, self.server_state.default_headers, request_id))
        # Closing with unread data in the socket would reset the connection and may destroy the answer on its way.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._alarm.set(self.loop.time() + self.limits.linger)
        seen = refusals.seen(self._base, self.parser.get_method(), self.url, self.headers)
        self.counters.told(seen, request_id, refused.reason, refused.status)

    def _close(self) -> None:
        self.transport.close()
        self._alarm.set(self.loop.time() + self.limits.linger)

    # ---------------------------------------------------------------- clocks

    def _expired(self, now: float) -> None:
        if self._refusal is not None or self.transport.is_closing():
            self._stalled(now)
        elif self._phase == _BODY:
            self._body_due(now)
        elif self._phase == _HEAD:
            self._refuse(Refused(*refusals.SLOW))
        else:
            self._close()

    def _body_due(self, now: float) -> None:
        received = self._body_bytes
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self._alarm.set(self._pace.start(now, received))  # the wait was ours, not the client's
        elif (again := self._pace.look(now, received)) is not None:
            self._alarm.set(again)
        else:
            self._refuse(Refused(*refusals.SLOW))

    def _stalled(self, _now: float) -> None:
        self.transport.abort()
