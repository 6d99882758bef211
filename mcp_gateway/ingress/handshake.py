"""The endpoint of the handshake era (2025-11-25, 2025-06-18, 2025-03-26): sessions, streams to resume, DELETE.

A client that goes away has not cancelled anything here: the call runs on and its answer can be fetched by
resuming the stream. Only `notifications/cancelled` cancels.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.body import ClientDisconnected
from mcp_gateway.core.asgi.disconnect import watch
from mcp_gateway.core.asgi.inflight import SLOT
from mcp_gateway.core.call import Call, Client
from mcp_gateway.core.errors import GatewayError, HeaderMismatch, Invalid
from mcp_gateway.core.versions import HANDSHAKE
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.ingress.downgrade import downgrade, initialize_result
from mcp_gateway.ingress.envelope import (
    BadEnvelope,
    Message,
    NotAcceptable,
    Notification,
    Request,
    Response,
    SessionUnknown,
    id_of,
    read_message,
)
from mcp_gateway.ingress.exchange import (
    EVENTS,
    Arrival,
    Ending,
    Limits,
    Report,
    answer,
    failure,
    read_json,
    require_both,
    turned_away,
    unexpected,
)
from mcp_gateway.ingress.handshake_reply import HandshakeReply, settle
from mcp_gateway.ingress.head import accepts, prefers
from mcp_gateway.ingress.keep_alive import KeepAlive
from mcp_gateway.ingress.modern import VERSION_KEY
from mcp_gateway.ingress.reply import Reply
from mcp_gateway.ingress.sessions import HandshakeSession, Sessions
from mcp_gateway.ingress.stream import parse_event_id

_BATCHES: Final = "2025-03-26"
_MAX_BATCH: Final = 100
_DEFAULT_LEVEL: Final = "info"
_LISTS: Final = "list changes"


class HandshakeEndpoint:
    """Serves the protocol versions that begin with `initialize`."""

    __slots__ = ("_keep_alive", "_limits", "_refused", "_report", "_sessions")

    def __init__(self, limits: Limits, sessions: Sessions, report: Report, refused: Refusals) -> None:
        self._keep_alive = KeepAlive()
        self._limits = limits
        self._sessions = sessions
        self._report = report
        self._refused = refused

    async def post(self, arrival: Arrival) -> None:
        """POST: one message, or in 2025-03-26 a batch of them."""
        identifier: str | int | None = None
        try:
            require_both(arrival.head)
            if arrival.head.duplicated is not None:
                raise BadEnvelope(f"the header {arrival.head.duplicated} appears more than once")
            body = await read_json(arrival, self._limits)
            identifier = id_of(body)
            if isinstance(body, list):
                await self._batch(arrival, self._session(arrival), body)
                return
            given = read_message(body)
            if isinstance(given, Request) and given.method == "initialize":
                await self._initialize(arrival, given)
                return
            _refuse_modern(arrival, given)
            session = self._session(arrival)
            if isinstance(given, Request):
                await self._request(arrival, session, given)
                return
            _take(session, given)
            await Reply(arrival.send, arrival.request_id).accepted()
        except ClientDisconnected:
            return
        except Exception as error:
            fault = error if isinstance(error, GatewayError) else unexpected(self._report, arrival.request_id, error)
            await self._refuse(arrival, fault, identifier)

    async def _refuse(self, arrival: Arrival, error: GatewayError, identifier: str | int | None = None) -> None:
        """Answer a request that ends before its pipeline."""
        ending = failure(error, identifier, modern=False, request_id=arrival.request_id)
        turned_away(self._refused, arrival, error, ending[0])
        await Reply(arrival.send, arrival.request_id).finish(*ending)

    async def get(self, arrival: Arrival) -> None:
        """GET: the session's standalone stream, or the rest of a stream that broke."""
        try:
            session = self._session(arrival)
            if not accepts(arrival.head.accept, EVENTS):
                raise NotAcceptable("Accept must list text/event-stream")
        except GatewayError as error:
            await self._refuse(arrival, error)
            return
        headers = Reply(arrival.send, arrival.request_id).headers()
        event = parse_event_id(arrival.head.last_event_id or "")
        stream = session.stream(event[0]) if event is not None else None
        after = event[1] if event is not None and stream is not None else None
        stream = stream or session.standalone
        if stream is session.standalone:
            if stream.read and after is None:
                turned_away(self._refused, arrival, _CONFLICTING, 409)
                await respond.respond_json(arrival.send, 409, _CONFLICT, headers)
                return
            follow = arrival.served.follow_lists
            session.hold(_LISTS, follow(lambda method: session.notify(method, {})))
        if SLOT in arrival.scope:
            arrival.scope[SLOT].leave()
        pump = asyncio.ensure_future(stream.pump(arrival.send, headers, after=after))
        try:
            with watch(arrival.receive, pump.cancel, scope=arrival.scope):
                await asyncio.wait([pump])
        finally:
            pump.cancel()

    async def delete(self, arrival: Arrival) -> None:
        """DELETE: the client ends its session."""
        try:
            self._sessions.end(self._session(arrival))
        except GatewayError as error:
            await self._refuse(arrival, error)
            return
        await respond.respond(arrival.send, 200, b"", Reply(arrival.send, arrival.request_id).headers())

    def _session(self, arrival: Arrival) -> HandshakeSession:
        token = arrival.head.session
        if token is None:
            raise BadEnvelope("Missing session ID: send initialize first, then Mcp-Session-Id with every request")
        session = self._sessions.find(token, arrival.served.name, arrival.principal)
        if session is None:
            raise SessionUnknown("Session not found")
        return session

    async def _initialize(self, arrival: Arrival, request: Request) -> None:
        reply = Reply(arrival.send, arrival.request_id)
        asked = request.params.get("protocolVersion")
        capabilities = request.params.get("capabilities")
        info = request.params.get("clientInfo")
        if not isinstance(asked, str):
            raise Invalid("protocolVersion must be a string", pointer="/params/protocolVersion")
        if not isinstance(capabilities, dict):
            raise Invalid("capabilities must be an object", pointer="/params/capabilities")
        client = Client(
            asked if asked in HANDSHAKE else HANDSHAKE[0], False, capabilities, info if isinstance(info, dict) else None
        )
        try:
            discovered = await arrival.served.handler(_call(arrival, reply, request, client, None))
        except GatewayError as error:
            await reply.finish(*failure(error, request.id, modern=False, request_id=arrival.request_id))
            return
        session = self._sessions.create(
            arrival.served.name, arrival.principal, client.version, client.capabilities, client.info
        )
        result = initialize_result(discovered, client.version, arrival.served.server_info)
        await reply.finish(200, answer(request.id, result), [(b"mcp-session-id", session.id.encode())])

    async def _request(self, arrival: Arrival, session: HandshakeSession, request: Request) -> None:
        reply = HandshakeReply(arrival.send, arrival.request_id, session)
        if prefers(arrival.head.accept, EVENTS):
            # Who lists event streams first wants an answer that can be resumed.
            reply.open()
        ended = await self._answer(arrival, session, reply, request)
        if ended is None:
            await reply.drop()
        else:
            await reply.finish(*ended)

    async def _answer(
        self, arrival: Arrival, session: HandshakeSession, reply: HandshakeReply, request: Request
    ) -> Ending | None:
        """How one request ends; None when it was cancelled by the client."""
        if request.id in session.tasks:
            # The answer may have begun as a stream by now: this is said in it.
            taken = BadEnvelope("a request with this id is still being served", pointer="/id")
            ending = failure(taken, request.id, modern=False, request_id=arrival.request_id)
            turned_away(self._refused, arrival, taken, ending[0])
            return ending
        task = asyncio.current_task(arrival.loop)
        assert task is not None
        session.tasks[request.id] = task
        client = Client(session.version, False, session.capabilities, session.info)
        try:
            reply.keep_alive(self._keep_alive, arrival.loop)
            result = await arrival.served.handler(_call(arrival, reply, request, client, session))
            return 200, answer(request.id, downgrade(request.method, result)), []
        except asyncio.CancelledError:
            if session.tasks.get(request.id) is task:
                reply.abandon()
                raise
            task.uncancel()
            return None
        except GatewayError as error:
            return failure(error, request.id, modern=False, request_id=arrival.request_id)
        except Exception as defect:
            fault = unexpected(self._report, arrival.request_id, defect)
            return failure(fault, request.id, modern=False, request_id=arrival.request_id)
        finally:
            # After a cancellation the id may be in use again, by another request.
            if session.tasks.get(request.id) is task:
                del session.tasks[request.id]

    async def _batch(self, arrival: Arrival, session: HandshakeSession, body: list[Any]) -> None:
        if session.version != _BATCHES or not 0 < len(body) <= _MAX_BATCH:
            raise BadEnvelope(f"batches exist in {_BATCHES} only, with at most {_MAX_BATCH} messages")
        messages = [read_message(part) for part in body]
        reply = HandshakeReply(arrival.send, arrival.request_id, session)
        requests = [message for message in messages if isinstance(message, Request)]
        if any(request.method == "initialize" for request in requests):
            raise BadEnvelope("initialize cannot be part of a batch")
        identifiers = {request.id for request in requests}
        if len(identifiers) < len(requests) or not identifiers.isdisjoint(session.tasks):
            raise BadEnvelope("a request with this id is still being served", pointer="/id")
        for message in messages:
            if not isinstance(message, Request):
                _take(session, message)
        if not requests:
            await reply.accepted()
            return
        ended = await asyncio.gather(*(self._answer(arrival, session, reply, request) for request in requests))
        answers = [each[1] for each in ended if each is not None]
        await (reply.finish_all(answers) if answers else reply.drop())


def _call(arrival: Arrival, reply: Reply, request: Request, client: Client, session: HandshakeSession | None) -> Call:
    served = arrival.served
    return Call(
        id=request.id,
        request_id=arrival.request_id,
        server=served.name,
        method=request.method,
        params=request.params,
        principal=arrival.principal,
        client=client,
        link=reply,
        deadline=arrival.loop.time() + served.timeout,
        snapshot=served.snapshot,
        trail=reply.trail,
        session=session,
        log_level=_DEFAULT_LEVEL if session is None or session.log_level is None else session.log_level,
        headers=arrival.head.params,
        ip=arrival.ip,
    )


def _take(session: HandshakeSession, message: Message) -> None:
    """A notification or a response of the client."""
    if isinstance(message, Response):
        settle(session, message.id, message.result, message.error)
    elif isinstance(message, Notification) and message.method == "notifications/cancelled":
        identifier = message.params.get("requestId")
        if isinstance(identifier, str | int) and not isinstance(identifier, bool):  # True is not the id 1
            task = session.tasks.pop(identifier, None)
            if task is not None:
                task.cancel()


def _refuse_modern(arrival: Arrival, message: Message) -> None:
    """A modern request without its version header: told so, instead of being asked for a session."""
    if arrival.head.version is None and arrival.head.session is None and not isinstance(message, Response):
        meta = message.params.get("_meta")
        if isinstance(meta, dict) and VERSION_KEY in meta:
            raise HeaderMismatch("the MCP-Protocol-Version header is missing")


_CONFLICTING: Final = "stream_conflict"
_CONFLICT: Final = respond.error_body(-32600, "This session's stream is open already", _CONFLICTING)
