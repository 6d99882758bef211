"""The LLM plane's front: path to dialect, door, list of models. Pure ASGI; the host's checks stand before it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from llm_proxy.faults import UnknownModel, headers_of, status_of
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.ingress.embeddings import Embeddings
from llm_proxy.ingress.endpoint import Endpoint, Limits, Report, Serving
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.ingress.openai_error import openai_error
from llm_proxy.ingress.out import HttpOut
from llm_proxy.ingress.responses.dialect import Responses
from llm_proxy.providers.provider import Provider
from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi.types import REQUEST_ID, Receive, Scope, Send
from mcp_gateway.core.errors import GatewayError, Invalid
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.metrics.measures import LLM
from mcp_gateway.envelopes.observability.refusals import Refusals

PATH: Final = "/v1"
_MODELS: Final = "/v1/models"

_NOBODY: Final = b"Bearer anonymous"
"""The key `anonymous` is that of clients that have none."""


class Doorway(Protocol):
    """Makes the principal of a request; `envelopes.identity.door.Door` is the real one."""

    def recall(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal | None: ...

    async def verify(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal: ...


class Doors(Protocol):
    """Holds the door that is in force."""

    @property
    def current(self) -> Doorway: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is served, of one configuration. `usable` are the models of those named that a principal may use."""

    serving: Serving
    models: tuple[str, ...]
    providers: tuple[Provider, ...]
    usable: Callable[[Principal, Sequence[str]], Sequence[str]]
    resource: ProtectedResource


class NoSuchPath(Invalid):
    """There is nothing at this path."""

    reason = "not_found"


class NotAllowed(Invalid):
    """The path knows another method; `allow` names it."""

    reason = "method_not_allowed"

    def __init__(self, allow: bytes) -> None:
        super().__init__("method not allowed")
        self.allow = allow


class Plane:
    """ASGI app for everything under `/v1`. The request's id stands in its scope under `types.REQUEST_ID`."""

    __slots__ = ("_doors", "_endpoints", "_live", "_refused", "_report", "_started")

    def __init__(
        self, live: Live[Snapshot | None], doors: Doors, limits: Limits, report: Report, refused: Refusals
    ) -> None:
        self._live = live
        self._refused = refused
        self._doors = doors
        self._report = report
        self._started = int(time.time())
        self._endpoints: Mapping[str, Endpoint] = {
            "/v1/chat/completions": Endpoint(Chat(), limits, report, refused),
            "/v1/responses": Endpoint(Responses(), limits, report, refused),
            "/v1/messages": Endpoint(Messages(), limits, report, refused),
            "/v1/embeddings": Endpoint(Embeddings(), limits, report, refused),
        }

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        out = HttpOut(send, scope[REQUEST_ID])
        snapshot = self._live.current
        endpoint = self._endpoints.get(scope["path"])
        try:
            if snapshot is None:
                raise NoSuchPath("no models are configured here")
            principal = self._doors.current.recall(_credential(scope), snapshot.resource)
        except Exception as error:
            return self._refuse(scope, out, endpoint, error, None)
        if principal is not None and endpoint is not None and scope["method"] == "POST":
            # A caller who is known costs no turn of the loop, and no coroutine that every later step passes through.
            return endpoint(scope, receive, out, principal, snapshot.serving)
        return self._admit(scope, receive, out, snapshot, endpoint, principal)

    async def _admit(
        self,
        scope: Scope,
        receive: Receive,
        out: HttpOut,
        snapshot: Snapshot,
        endpoint: Endpoint | None,
        principal: Principal | None,
    ) -> None:
        """Everything else: who is not known yet, lists of models, and methods that a path does not know."""
        try:
            if principal is None:
                principal = await self._doors.current.verify(_credential(scope), snapshot.resource)
            if endpoint is None:
                await _listed(out, scope, principal, snapshot, self._started)
                return
            if scope["method"] != "POST":
                raise NotAllowed(b"POST")
        except Exception as error:
            await self._refuse(scope, out, endpoint, error, principal)
            return
        await endpoint(scope, receive, out, principal, snapshot.serving)

    def _refuse(
        self, scope: Scope, out: HttpOut, endpoint: Endpoint | None, error: Exception, principal: Principal | None
    ) -> Awaitable[None]:
        """Answer with what went wrong before an endpoint had the request, and tell of it."""
        fault = error if isinstance(error, GatewayError) else self._defect(out.request_id, error)
        self._refused(LLM, scope, out.request_id, fault, _status(fault), principal=principal)
        if endpoint is None or isinstance(fault, NoSuchPath | NotAllowed):
            return _refuse(out, fault)
        return endpoint.refuse(out, fault)

    def _defect(self, request_id: str, error: Exception) -> GatewayError:
        self._report(request_id, error)
        return GatewayError("internal error")


def _credential(scope: Scope) -> Scope:
    """The request as the door reads it: Anthropic's clients send as `x-api-key` what others send as a bearer token.

    No client starts without a key, so there is one that stands for none where callers may be anonymous.
    """
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    fields = dict(headers)
    if b"x-api-key" not in fields and fields.get(b"authorization") != _NOBODY:
        return scope
    keys = [b"Bearer " + value for name, value in headers if name == b"x-api-key"]
    others = [each for each in headers if each[0] not in (b"authorization", b"x-api-key")]
    # Two that differ stay two: the door lets neither in.
    presented = dict.fromkeys([*keys, *(value for name, value in headers if name == b"authorization")])
    presented.pop(_NOBODY, None)
    return {**scope, "headers": [*others, *((b"authorization", value) for value in presented)]}


async def _listed(out: HttpOut, scope: Scope, principal: Principal, snapshot: Snapshot, created: int) -> None:
    """`GET /v1/models`, all or one: those that the caller may use."""
    path: str = scope["path"]
    if path != _MODELS and not path.startswith(_MODELS + "/"):
        raise NoSuchPath("there is nothing at this path")
    if scope["method"] != "GET":
        raise NotAllowed(b"GET")
    names = snapshot.usable(principal, snapshot.models)
    if path == _MODELS:
        await out.whole(200, strictjson.dumps({"object": "list", "data": [_model(name, created) for name in names]}))
        return
    wanted = path[len(_MODELS) + 1 :]
    if wanted not in names:
        raise UnknownModel(wanted)
    await out.whole(200, strictjson.dumps(_model(wanted, created)))


def _model(name: str, created: int) -> dict[str, object]:
    """A model as the clients of both OpenAI and Anthropic read it."""
    owner = name.partition("/")[0]
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "type": "model", "display_name": name}


async def _refuse(out: HttpOut, error: GatewayError) -> None:
    status = _status(error)
    extra = [(b"allow", error.allow)] if isinstance(error, NotAllowed) else headers_of(error)
    await out.whole(status, strictjson.dumps(openai_error(error, status, out.request_id)), extra)


def _status(error: GatewayError) -> int:
    if isinstance(error, NoSuchPath):
        return 404
    return 405 if isinstance(error, NotAllowed) else status_of(error)
