"""Who may ask the control plane: stands before its routes, and lets through what the table of roles allows.

A request with a credential that is good here comes from nobody's browser by accident: browsers add no bearer tokens on
their own. Where no credential is asked for, Host and Origin are compared instead (DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from fastapi import FastAPI
from starlette.routing import Match, Route

from mcp_gateway.admin import roles
from mcp_gateway.admin.roles import HERE, METRICS, PROBES, TABLE, Caller, Role, Roles, check_table, role_of
from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.hosts import AllowedOrigins, CheckHost
from mcp_gateway.core.asgi.types import App, Receive, Scope, Send
from mcp_gateway.core.errors import IdentityUnavailable, Unauthenticated
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.protected import ProtectedResource

CALLER: Final = "mcp_gateway.admin.caller"
"""Key in `scope` under which a route finds the `Caller`."""

_CHANGES_NOTHING: Final = frozenset({"GET", "HEAD"})


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
    """ASGI: the control plane behind its table of roles."""

    def __init__(
        self,
        app: FastAPI,
        allowed: AllowedOrigins,
        *,
        entrance: Callable[[], Entrance | None],
        on_loopback: bool = True,
    ) -> None:
        """`entrance` is that of the configuration in force, None where no credential is asked for.

        Raises `RuntimeError` where `app` has a route that the table does not know.
        """
        self._app: App = app
        self._named: App = CheckHost(app, allowed)
        self._entrance = entrance
        self._on_loopback = on_loopback
        self._routes = [route for route in app.routes if isinstance(route, Route)]
        check_table(routes_of(app))
        self._log = structlog.get_logger("control")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route, entrance = self._route(scope), self._entrance()
        if entrance is None:
            scope[CALLER] = HERE
            await self._named(scope, receive, send)
            return
        needed = _needed(route, entrance)
        if needed is None:
            # A probe of whatever supervises the gateway knows its address, and seldom its name.
            told = self._app if route in PROBES and not self._on_loopback else self._named
            await told(scope, receive, send)
            return
        caller = await self._admitted(scope, send, entrance, needed, route)
        if caller is not None:
            scope[CALLER] = caller
            await self._app(scope, receive, send)

    async def _admitted(
        self, scope: Scope, send: Send, entrance: Entrance, needed: Role, route: roles.Route | None
    ) -> Caller | None:
        """Who asks, if they may; else they have been answered."""
        resource = entrance.resource
        try:
            principal = entrance.door.recall(scope, resource) or await entrance.door.verify(scope, resource)
        except Unauthenticated as error:
            challenge = (b"www-authenticate", (error.challenge or "Bearer").encode())
            await _refuse(send, 401, error.message, "unauthenticated", challenge)
            return None
        except IdentityUnavailable as error:
            later = (b"retry-after", b"%d" % max(1, round(error.retry_after)))
            await _refuse(send, 503, error.message, error.reason, later)
            return None
        role = role_of(principal, entrance.roles)
        about = {"principal": principal.id, "route": " ".join(route) if route else "none"}
        if role is None or role < needed:
            self._log.info("role refused", **about, needed=needed.word, role=role.word if role else None)
            detail = f"this needs the role {needed.word}"
            await _refuse(send, 403, detail, "role_required", role=needed.word)
            return None
        if scope["method"] not in _CHANGES_NOTHING:
            self._log.info("control plane used", **about, role=role.word)
        return Caller(principal.id, role)

    def _route(self, scope: Scope) -> roles.Route | None:
        """The route that will answer, found as the router finds it."""
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return _get(scope["method"]), route.path
        return None


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
