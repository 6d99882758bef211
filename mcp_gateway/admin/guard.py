"""Who may ask the control plane: stands before its routes, and lets through what the table of roles allows.

A request with a credential that is good here comes from nobody's browser by accident: browsers add no bearer tokens on
their own. Where no credential is asked for, Host and Origin are compared instead (DNS rebinding).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from fastapi import FastAPI
from starlette.routing import Match, Route

from mcp_gateway.admin import roles
from mcp_gateway.admin.changes import CHANGES_NOTHING, Changes, reason_of
from mcp_gateway.admin.faults import ROLE_REQUIRED
from mcp_gateway.admin.roles import HERE, METRICS, PROBES, TABLE, Caller, Role, Roles, check_table, role_of
from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.hosts import STRANGERS, AllowedOrigins, turn_away
from mcp_gateway.core.asgi.types import REQUEST_ID, App, Message, Receive, Scope, Send
from mcp_gateway.core.errors import GatewayError, IdentityUnavailable, Unauthenticated
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.request_ids import RequestIds
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.refusals import CONTROL, Refusals

CALLER: Final = "mcp_gateway.admin.caller"
"""Key in `scope` under which a route finds the `Caller`."""

_TOLD: Final = frozenset({403, 500})
"""What a route may answer that is a refusal, or a defect. That something is not there is neither."""


class Doorway(Protocol):
    """What lets principals in; `envelopes.identity.door.Door` is the real one."""

    def recall(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal | None: ...

    async def verify(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal: ...


@dataclass(frozen=True, slots=True)
class Entrance:
    """How callers get in: by tokens for `resource` that `door` accepts, if `roles` give them one."""

    door: Doorway
    resource: ProtectedResource
    roles: Roles
    open_metrics: bool = False


class Guard:
    """ASGI: the control plane behind its table of roles. Every request gets an id, which its answer says.

    `refused` is told of whom it does not let in, `changes` of what those did who may have changed something.
    """

    def __init__(
        self,
        app: FastAPI,
        allowed: AllowedOrigins,
        *,
        entrance: Callable[[], Entrance | None],
        refused: Refusals,
        changes: Changes,
        on_loopback: bool = True,
    ) -> None:
        """`entrance` is that of the configuration in force, None where no credential is asked for.

        Raises `RuntimeError` where `app` has a route that the table does not know.
        """
        self._app: App = app
        self._allowed = allowed
        self._entrance = entrance
        self._refused = refused
        self._changes = changes
        self._on_loopback = on_loopback
        self._ids = RequestIds()
        self._routes = [route for route in app.routes if isinstance(route, Route)]
        check_table(routes_of(app))
        self._log = structlog.get_logger("control")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[REQUEST_ID] = self._ids()
        route, answer = self._route(scope), Answer(send, scope[REQUEST_ID])
        if await self._lets_in(scope, answer, route):
            await self._serve(scope, receive, answer, route)

    async def _lets_in(self, scope: Scope, send: Send, route: roles.Route | None) -> bool:
        """Whether the request goes on; if not, it has been answered. Whoever is known then is in the scope."""
        entrance = self._entrance()
        needed = None if entrance is None else _needed(route, entrance)
        if entrance is not None and needed is not None:
            caller = await self._admitted(scope, send, entrance, needed, route)
            if caller is not None:
                scope[CALLER] = caller
            return caller is not None
        if entrance is None:
            scope[CALLER] = HERE
        elif route in PROBES and not self._on_loopback:
            # A probe of whatever supervises the gateway knows its address, and seldom its name.
            return True
        status = self._allowed.refusal(scope["headers"])
        if status is None:
            return True
        self._tell(scope, STRANGERS[status][0], status)
        await turn_away(send, status)
        return False

    async def _serve(self, scope: Scope, receive: Receive, answer: Answer, route: roles.Route | None) -> None:
        """Let the app answer, and tell of it before the answer leaves."""
        caller: Caller | None = scope.get(CALLER)

        def begins(status: int | None) -> None:
            if caller is not None and scope["method"] not in CHANGES_NOTHING:
                self._changes(scope, caller, route, status, answer.started)
            elif status in _TOLD:
                self._tell(scope, reason_of(scope, status), status, None if caller is None else caller.principal)

        answer.begins = begins
        try:
            await self._app(scope, receive, answer)
        finally:
            if not answer.begun:
                begins(None)

    def _tell(
        self, scope: Scope, why: GatewayError | str, status: int, principal: Principal | str | None = None
    ) -> None:
        self._refused(CONTROL, scope, scope[REQUEST_ID], why, status, principal=principal)

    async def _admitted(
        self, scope: Scope, send: Send, entrance: Entrance, needed: Role, route: roles.Route | None
    ) -> Caller | None:
        """Who asks, if they may; else they have been answered."""
        resource = entrance.resource
        try:
            principal = entrance.door.recall(scope, resource) or await entrance.door.verify(scope, resource)
        except Unauthenticated as error:
            self._tell(scope, error, 401)
            challenge = (b"www-authenticate", (error.challenge or "Bearer").encode())
            await _refuse(send, 401, error.message, "unauthenticated", challenge)
            return None
        except IdentityUnavailable as error:
            self._tell(scope, error, 503)
            later = (b"retry-after", b"%d" % max(1, round(error.retry_after)))
            await _refuse(send, 503, error.message, error.reason, later)
            return None
        role = role_of(principal, entrance.roles)
        if role is None or role < needed:
            about = {"principal": principal.id, "route": " ".join(route) if route else "none"}
            has = role.word if role else None
            self._log.info("role refused", **about, needed=needed.word, role=has, request_id=scope[REQUEST_ID])
            self._tell(scope, ROLE_REQUIRED, 403, principal)
            detail = f"this needs the role {needed.word}"
            await _refuse(send, 403, detail, ROLE_REQUIRED, role=needed.word)
            return None
        return Caller(principal.id, role)

    def _route(self, scope: Scope) -> roles.Route | None:
        """The route that will answer, found as the router finds it."""
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return _get(scope["method"]), route.path
        return None


class Answer:
    """A `Send` that gives the answer its request id, and tells `begins` of its status before it leaves."""

    __slots__ = ("_request_id", "_send", "begins", "begun", "started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.started = time.perf_counter()
        self.begun = False
        self.begins: Callable[[int], None] = _nothing

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self.begins(message["status"])
            message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", self._request_id)]}
        await self._send(message)


def _nothing(status: int) -> None:
    """What is told of an answer that was told of already."""


def routes_of(app: FastAPI) -> list[roles.Route]:
    """Every route of `app`."""
    found: dict[roles.Route, None] = {}
    for route in app.routes:
        for method in sorted(getattr(route, "methods", None) or {"ANY"}):
            found[_get(method), getattr(route, "path", repr(route))] = None
    return list(found)


def _needed(route: roles.Route | None, entrance: Entrance) -> Role | None:
    """The least role for `route`. What is not there is told to readers only."""
    if route == METRICS and entrance.open_metrics:
        return None
    return Role.READER if route is None else TABLE[route]


def _get(method: str) -> str:
    return "GET" if method == "HEAD" else method


async def _refuse(
    send: Send, status: int, detail: str, reason: str, *headers: tuple[bytes, bytes], **more: str
) -> None:
    await respond.respond_json(send, status, strictjson.dumps({"detail": detail, "reason": reason, **more}), headers)
