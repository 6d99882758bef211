"""Streamable HTTP from 2025-03-26 to 2025-11-25: one session of one caller, begun by ``initialize``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from functools import partial
from itertools import count
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, UpstreamError
from mcp_gateway.core.strictjson import dumps
from mcp_gateway.upstream.handshake import (
    PROGRESS_TOKEN,
    Greeting,
    LevelGate,
    initialize_params,
    read_initialize,
    stamp_handshake,
)
from mcp_gateway.upstream.headers import EVENT_STREAM, JSON, media_type, session_id, standing_headers
from mcp_gateway.upstream.streamable import SessionLost, method_of, read_answer, read_messages, read_object
from mcp_gateway.upstream.streamable_asking import PING, Asking
from mcp_gateway.upstream.streamable_events import EventStream
from mcp_gateway.upstream.streamable_flight import CANCELLED, EVENTS, PROGRESS, SessionFlight
from mcp_gateway.upstream.streamable_stream import Reopen, read_refusal, read_resuming
from mcp_gateway.upstream.streamable_wire import SessionWire
from mcp_gateway.upstream.wire import HANDSHAKE, Exchange, NotifyHook

_BATCHING: Final = "2025-03-26"
_SECONDS: Final = 5.0
"""For what is told to the upstream without anybody waiting for it."""
_PARTING_SECONDS: Final = 2.0
_MOST_BACKGROUND: Final = 256
_SET_LEVEL: Final = "logging/setLevel"


async def open_session(
    client: HttpClient,
    target: str,
    *,
    version: str | None,
    capabilities: Json,
    client_info: Json | None,
    on_event: NotifyHook,
    deadline: float,
    headers: Mapping[str, str],
) -> HandshakeConversation:
    """``initialize`` and ``notifications/initialized``. With a `version` the upstream must agree to it; None takes any.

    Raises `Rejected`, `UnexpectedStatus` and other `UpstreamError`: nothing is left open then.
    """
    conversation = HandshakeConversation(SessionWire(client, target, headers), on_event)
    offer = initialize_params(version=version or HANDSHAKE[0], capabilities=capabilities, client_info=client_info)
    try:
        await conversation.begin(version, offer, Exchange(deadline=deadline, headers=headers))
    except UpstreamError:
        await conversation.close()
        raise
    return conversation


class HandshakeConversation:
    """A session belongs to one principal: what the upstream says outside any request is taken as meant for it.

    `on_event` receives list changes, resource updates and completed elicitations from any stream. Once the
    upstream has forgotten the session, requests raise `SessionLost` and `alive` is False.
    """

    def __init__(self, wire: SessionWire, on_event: NotifyHook) -> None:
        self._wire = wire
        self._on_event = on_event
        self._greeting = Greeting(HANDSHAKE[0], {}, {})
        self._gate = LevelGate({})
        self._ids = count(1)
        self._flights: dict[int, SessionFlight] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._events: EventStream | None = None
        self._following: asyncio.Task[None] | None = None
        self._pings = Asking(self._tell_standing, None)
        self._alive = True
        self.strays = 0
        """Messages dropped because the protocol does not allow them where they came."""

    @property
    def version(self) -> str:
        return self._greeting.version

    @property
    def capabilities(self) -> Json:
        return self._greeting.capabilities

    @property
    def server_info(self) -> Json:
        return self._greeting.server_info

    @property
    def instructions(self) -> str | None:
        return self._greeting.instructions

    @property
    def alive(self) -> bool:
        return self._alive

    async def begin(self, pinned: str | None, params: Json, exchange: Exchange) -> None:
        """The handshake; called once, before anything else."""
        result, headers = await self._serve("initialize", params, exchange)
        greeting = read_initialize(result)
        self._wire.establish(greeting.version, session_id(headers))
        if pinned is not None and greeting.version != pinned:
            raise ProtocolViolation(f"the upstream initialized with {greeting.version} instead of {pinned}")
        self._greeting = greeting
        self._gate = LevelGate(greeting.capabilities)
        seconds = min(_SECONDS, exchange.deadline - asyncio.get_running_loop().time())
        await self._wire.tell(_notification("notifications/initialized", {}), exchange.headers, seconds)

    async def request(self, method: str, params: Json, exchange: Exchange) -> Json:
        """See `Conversation.request`. Raises `SessionLost` where initializing again and resending is safe."""
        if not self._alive:
            raise SessionLost
        if exchange.headers:
            self._wire.standing = standing_headers(exchange.headers)
        level = self._gate.admit(exchange.log_level)
        if level is not None:
            await self._set_level(level, exchange.deadline)
        result, _ = await self._serve(method, params, exchange)
        if method == _SET_LEVEL:
            self._gate.note(params.get("level"))
        return result

    async def notify(self, method: str, params: Json) -> None:
        """Post a notification with the credentials of the latest request."""
        await self._tell_standing(_notification(method, params))

    async def open_events(self) -> None:
        """Open the standalone stream and keep it open; returns when the upstream has answered, whatever it answered.

        A server without one answers 405, which is fine: its events then come on the streams of requests, or not at all.
        """
        if self._events is None and self._alive:
            self._events = EventStream(self._wire, self._unbidden, self._lose)
            self._following = self._spawn(self._events.run())
        if self._events is not None:
            await self._events.opened.wait()

    async def close(self) -> None:
        """Close the standalone stream and DELETE the session, which waits for the upstream at most a few seconds."""
        deleting, self._alive = self._alive and self._wire.session is not None, False
        self._pings.close()
        if self._following is not None:
            self._following.cancel()
        if self._background:
            _, late = await asyncio.wait(tuple(self._background), timeout=_PARTING_SECONDS)
            for task in late:
                task.cancel()
        if deleting:
            with contextlib.suppress(UpstreamError):
                await self._wire.delete(_PARTING_SECONDS)

    # ------------------------------------------------------------ requests

    async def _serve(self, method: str, params: Json, exchange: Exchange) -> tuple[Json, Mapping[bytes, bytes]]:
        """The result, and the headers of the response that it came with."""
        request_id = next(self._ids)
        stamped = stamp_handshake(params, progress_token=request_id if exchange.progress else None)
        body = dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": stamped})
        flight = SessionFlight(request_id, exchange, partial(self._tell, exchange.headers), self._on_event)
        self._flights[request_id] = flight
        try:
            response = await self._wire.post(body, exchange.headers, exchange.deadline)
            return await self._answer(response, flight), response.headers
        except (asyncio.CancelledError, TimedOut) as error:
            if method != "initialize" and getattr(error, "sent", True):
                self._withdraw(request_id, exchange.headers)
            raise
        finally:
            del self._flights[request_id]
            flight.asking.close()
            self.strays += flight.strays

    async def _answer(self, response: Response, flight: SessionFlight) -> Json:
        deadline = flight.exchange.deadline
        if response.status != 200:
            error = self._wire.lost(await read_refusal(response, flight.request_id, deadline))
            if isinstance(error, SessionLost):
                self._lose()
            raise error
        kind = media_type(response.headers)
        if kind == JSON:
            return self._whole(await response.read(deadline), flight)
        if kind == EVENT_STREAM:
            read = read_messages if self.version == _BATCHING else None
            return await read_resuming(
                response,
                flight.take,
                deadline,
                reopen=self._reopen(deadline),
                read=read,
                max_event=self._wire.max_event,
            )
        response.abort()
        raise ProtocolViolation("the upstream answered neither with JSON nor with an event stream")

    def _whole(self, raw: bytes, flight: SessionFlight) -> Json:
        if self.version != _BATCHING:
            return read_answer(read_object(raw), flight.request_id)
        for message in read_messages(raw):
            result = flight.take(message)
            if result is not None:
                return result
        raise ProtocolViolation("the upstream answered another request")

    def _reopen(self, deadline: float) -> Reopen:
        async def reopen(last_event_id: bytes) -> Response | None:
            try:
                return await self._wire.open_stream(last_event_id, deadline)
            except SessionLost:
                self._lose()
            except (Rejected, ProtocolViolation):
                pass
            return None

        return reopen

    async def _set_level(self, level: str, deadline: float) -> None:
        try:
            await self._serve(_SET_LEVEL, {"level": level}, Exchange(deadline=deadline, headers=self._wire.standing))
        except Rejected:
            self._gate.refused()

    # ------------------------------------------------------------ beside requests

    def _unbidden(self, message: Json) -> None:
        """A message of the standalone stream, which belongs to no request by where it came."""
        try:
            method = method_of(message)
        except ProtocolViolation:
            method = None
        params = message.get("params", {})
        if method is None:
            taken = False
        elif "id" in message:
            taken = self._asked(method).take(message)
        elif method in EVENTS:
            self._on_event(method, params)
            taken = True
        elif method == CANCELLED:
            askings = (self._pings, *(flight.asking for flight in self._flights.values()))
            taken = any(asking.cancel(params.get("requestId")) for asking in askings)
        else:
            flight = self._named(params.get(PROGRESS_TOKEN)) if method == PROGRESS else None
            taken = flight is not None and flight.relay(method, params)
        self.strays += not taken

    def _named(self, token: object) -> SessionFlight | None:
        return self._flights.get(token) if type(token) is int else None

    def _asked(self, method: str) -> Asking:
        """Who answers a request outside any stream: the only request in flight that can, otherwise nobody."""
        able = [flight for flight in self._flights.values() if flight.exchange.ask is not None]
        return able[0].asking if len(able) == 1 and method != PING else self._pings

    async def _tell_standing(self, message: Json) -> None:
        await self._tell(self._wire.standing, message)

    async def _tell(self, headers: Mapping[str, str], message: Json) -> None:
        try:
            await self._wire.tell(message, headers, _SECONDS)
        except SessionLost:
            self._lose()
            raise

    def _withdraw(self, request_id: int, headers: Mapping[str, str]) -> None:
        """Tell the upstream that nobody waits any longer. Best effort: what is not told ends with the session."""
        if len(self._background) < _MOST_BACKGROUND and self._alive:
            self._spawn(self._cancelled(request_id, headers))

    async def _cancelled(self, request_id: int, headers: Mapping[str, str]) -> None:
        with contextlib.suppress(UpstreamError):
            await self._tell(headers, _notification(CANCELLED, {"requestId": request_id, "reason": "abandoned"}))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _lose(self) -> None:
        self._alive = False


def _notification(method: str, params: Json) -> Json:
    return {"jsonrpc": "2.0", "method": method, "params": params} if params else {"jsonrpc": "2.0", "method": method}
