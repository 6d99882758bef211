"""The data plane's front: path to virtual server, door, era. Pure ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any, Final, Protocol

from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.hosts import AllowedOrigins
from mcp_gateway.core.asgi.inflight import SLOT, InFlight
from mcp_gateway.core.asgi.types import REQUEST_ID, App, Receive, Scope, Send
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, Overloaded
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.request_ids import RequestIds
from mcp_gateway.core.versions import HANDSHAKE
from mcp_gateway.envelopes.identity.protected import WELL_KNOWN, ProtectedResource
from mcp_gateway.envelopes.observability.metrics.measures import LLM, MCP
from mcp_gateway.envelopes.observability.refusals import CONNECT, Refusals
from mcp_gateway.ingress.exchange import Arrival, Endpoint, Report, failure, unexpected
from mcp_gateway.ingress.handshake import HandshakeEndpoint
from mcp_gateway.ingress.head import read_head
from mcp_gateway.ingress.metadata import Accounted, send_metadata
from mcp_gateway.ingress.reply import Reply
from mcp_gateway.ingress.served import Served


class Doorway(Protocol):
    """Makes the principal of a request; `envelopes.identity.door.Door` is the real one."""

    def recall(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal | None:
        """The principal, if that is known without waiting."""
        ...

    async def verify(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        """The principal; raises `Unauthenticated`, `InsufficientScope`, `IdentityUnavailable`."""
        ...

    def document(self, resource: ProtectedResource) -> Json | None:
        """The protected resource metadata, None where there is none (RFC 9728)."""
        ...


class Doors(Protocol):
    """Holds the door that is in force, as `Live` does."""

    @property
    def current(self) -> Doorway: ...


_PREFIX: Final = "/servers/"
_SUFFIX: Final = "/mcp"
_CONNECT: Final = "/connect"
_MODELS: Final = "/v1/"


class DataPlane:
    """ASGI app for `/servers/{name}/mcp`, its protected resource metadata, and the pages of people.

    The protocol version header alone decides the era: absent or a handshake version means the handshake
    era, anything else the modern one, which says itself what it supports.
    """

    __slots__ = (
        "_allowed",
        "_connect",
        "_door",
        "_handshake",
        "_ids",
        "_inflight",
        "_loop",
        "_models",
        "_modern",
        "_refused",
        "_report",
        "_served",
    )

    def __init__(
        self,
        served: Live[Mapping[str, Served]],
        *,
        allowed: AllowedOrigins,
        inflight: InFlight,
        door: Doors,
        modern: Endpoint,
        handshake: HandshakeEndpoint,
        report: Report,
        refused: Refusals,
        connect: App | None = None,
        models: App | None = None,
    ) -> None:
        """`refused` is told of what no pipeline gets to see.

        `connect` gets everything under `/connect`; it judges the Origin `null` of browsers itself. `models` gets
        everything under `/v1`, and answers there for itself.
        """
        self._served = served
        self._allowed = allowed
        self._inflight = inflight
        self._door = door
        self._modern = modern
        self._handshake = handshake
        self._report = report
        self._refused = refused
        self._connect = connect
        self._models = models
        self._ids = RequestIds()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = scope[REQUEST_ID] = self._ids()
        status = self._allowed.refusal(scope["headers"])
        if status is not None and not (status == 403 and self._foreigners_welcome(scope)):
            await self._refuse(scope, send, status, _BAD_HOST if status == 421 else _BAD_ORIGIN)
            return
        slot = self._inflight.enter(_client(scope))
        if slot is None:
            await self._refuse(scope, send, 503, _OVERLOADED, (b"retry-after", b"1"))
            return
        scope[SLOT] = slot
        try:
            if self._models is not None and scope["path"].startswith(_MODELS):
                await self._models(scope, receive, send)
            else:
                await self._serve(scope, receive, send, request_id)
        finally:
            slot.leave()

    def _foreigners_welcome(self, scope: Scope) -> bool:
        """Whether a request may come from a page of another origin.

        Metadata is for everybody. A form on a page that tells nobody its address (Referrer-Policy no-referrer) is
        sent with the Origin `null` even to its own site, so the pages under `/connect` have other proofs.
        """
        if scope["path"].startswith(WELL_KNOWN):
            return True
        nowhere = all(value == b"null" for name, value in scope["headers"] if name == b"origin")
        return self._connect is not None and nowhere and _under_connect(scope["path"])

    def _running(self) -> asyncio.AbstractEventLoop:
        """The loop that serves, found once: in CPython 3.11 finding it costs a system call."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        served = self._served.current.get(_server(scope["path"], scope.get("raw_path")))
        if served is None:
            await self._serve_other(scope, receive, send, request_id)
            return
        door = self._door.current
        principal = door.recall(scope, served.resource)
        if principal is None:
            principal = await self._verified(door, scope, send, served, request_id)
            if principal is None:
                return
        if served.acquaint is not None and (reading := served.acquaint(principal)) is not None:
            await reading  # afterwards there is another snapshot
            served = self._served.current.get(served.name, served)
        head = read_head(scope["headers"])
        arrival = Arrival(scope, receive, send, served, principal, head, request_id, self._running())
        modern = head.version is not None and head.version not in HANDSHAKE
        method = scope["method"]
        if method == "POST":
            await (self._modern(arrival) if modern else self._handshake.post(arrival))
        elif method in ("GET", "DELETE") and not modern and head.session is not None:
            await (self._handshake.get(arrival) if method == "GET" else self._handshake.delete(arrival))
        else:
            allow = b"POST" if modern else b"GET, POST, DELETE"
            await self._refuse(scope, send, 405, _NOT_ALLOWED, (b"allow", allow), served=served, principal=principal)

    async def _verified(
        self, door: Doorway, scope: Scope, send: Send, served: Served, request_id: str
    ) -> Principal | None:
        """The principal, or None when the request was answered with a refusal."""
        fault: GatewayError
        try:
            return await door.verify(scope, served.resource)
        except GatewayError as error:
            fault = error
        except Exception as defect:
            fault = unexpected(self._report, request_id, defect)
        ending = failure(fault, None, modern=True, request_id=request_id)
        self._refused(MCP, scope, request_id, fault, ending[0], server=served.name)
        await Reply(send, request_id).finish(*ending)
        return None

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        """What is no virtual server: documents about virtual servers, and pages for people."""
        path: str = scope["path"]
        if self._connect is not None and _under_connect(path):
            await self._connect(scope, receive, Accounted(send, request_id))
            return
        document = self._document(path, scope.get("raw_path"))
        if document is None:
            await self._refuse(scope, send, 404, _NOT_FOUND)
        else:
            await send_metadata(Accounted(send, request_id), scope["method"], document)

    async def _refuse(
        self,
        scope: Scope,
        send: Send,
        status: int,
        said: tuple[str, bytes],
        *extra: tuple[bytes, bytes],
        served: Served | None = None,
        principal: Principal | None = None,
    ) -> None:
        reason, body = said
        request_id: str = scope[REQUEST_ID]
        server = "" if served is None else served.name
        plane = self._plane(scope["path"])
        self._refused(plane, scope, request_id, reason, status, server=server, principal=principal)
        timing = (b"server-timing", b"gateway;dur=0, upstream;dur=0")
        await respond.respond_json(send, status, body, ((b"x-request-id", request_id.encode()), timing, *extra))

    def _plane(self, path: str) -> str:
        if self._models is not None and path.startswith(_MODELS):
            return LLM
        return CONNECT if self._connect is not None and _under_connect(path) else MCP

    def _document(self, path: str, raw: bytes | None) -> Json | None:
        if not path.startswith(WELL_KNOWN):
            return None
        # Behind a proxy that takes a prefix off, the public path may be longer than ours.
        place = path.find(_PREFIX)
        served = self._served.current.get(_server(path[place:], None)) if place >= 0 else None
        if served is None or (raw is not None and raw.count(b"/") != path.count("/")):
            return None
        if path[:place] != WELL_KNOWN and not served.resource.metadata_url.endswith(path):
            return None
        return self._door.current.document(served.resource)


def _under_connect(path: str) -> bool:
    return path.startswith(_CONNECT) and (len(path) == len(_CONNECT) or path[len(_CONNECT)] == "/")


def _server(path: str, raw: bytes | None) -> str:
    """The virtual server a path names; the empty string, which names none, for every other path.

    An encoded slash separates nothing (RFC 3986 §2.2), and a proxy before us may go by that.
    """
    encoded = raw is not None and raw.count(b"/") != path.count("/")
    if path.startswith(_PREFIX) and path.endswith(_SUFFIX) and not encoded:
        return path[len(_PREFIX) : -len(_SUFFIX)]
    return ""


def _client(scope: Scope) -> Hashable:
    """Whose share of the requests in flight a request takes: a loopback address is many clients, not one."""
    client = scope.get("client")
    if client is None:
        return None
    return tuple(client) if client[0].startswith("127.") or client[0] == "::1" else client[0]


def _said(code: int, message: str, reason: str, **data: object) -> tuple[str, bytes]:
    """A refusal by its reason, and the body that says it."""
    return reason, respond.error_body(code, message, reason, **data)


_NOT_FOUND: Final = _said(-32600, "There is no virtual server at this path", "not_found")
_BAD_HOST: Final = _said(-32600, "This server is not known under that Host", "host_not_allowed")
_BAD_ORIGIN: Final = _said(-32600, "Requests from that Origin are not allowed", "origin_not_allowed")
_OVERLOADED: Final = _said(50300, "The gateway is at capacity", Overloaded.reason, retryAfterMs=1000)
_NOT_ALLOWED: Final = _said(-32600, "Method not allowed", "method_not_allowed")
