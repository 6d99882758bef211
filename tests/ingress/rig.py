"""The data plane in one process: a real snapshot over hand-made inventories, and clients of both eras. No network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mcp_gateway import models
from mcp_gateway.calls.inventory import CacheHint, Change, Inventory, Listing
from mcp_gateway.compose import Standing, catalogs, snapshot
from mcp_gateway.core.asgi.hosts import AllowedOrigins
from mcp_gateway.core.asgi.inflight import InFlight
from mcp_gateway.core.asgi.types import App, Scope
from mcp_gateway.core.call import Json
from mcp_gateway.core.canonical import Pin
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import Unauthenticated
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.core.versions import MODERN
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.observability.record import Audit, Trace
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.envelopes.policy.breaker import Circuit
from mcp_gateway.envelopes.policy.bulkhead import Places
from mcp_gateway.envelopes.policy.limits.pools import MemoryPools
from mcp_gateway.govern import Policies
from mcp_gateway.ingress.exchange import Limits
from mcp_gateway.ingress.handshake import HandshakeEndpoint
from mcp_gateway.ingress.modern_endpoint import ModernEndpoint
from mcp_gateway.ingress.plane import DataPlane, Doorway
from mcp_gateway.ingress.served import Served
from mcp_gateway.ingress.sessions import Sessions
from mcp_gateway.methods.offer import Offer
from mcp_gateway.pinning import Pinning
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.virtual_servers import VirtualServerSettings
from tests.ingress.asgi import Exchange, scope
from tests.ingress.scripted import ScriptedWatch, Terminal

META = "io.modelcontextprotocol/"
BOTH = "application/json, text/event-stream"
KEYS = (b"k" * 32,)
NAMED: Mapping[str, str] = MappingProxyType({"tools/call": "name", "prompts/get": "name", "resources/read": "uri"})

EVERYTHING: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}


def tool(name: str, properties: Mapping[str, Any] | None = None, **fields: Any) -> Json:
    return {"name": name, "inputSchema": {"type": "object", "properties": dict(properties or {})}, **fields}


def offer(upstream: str, tools: Sequence[Json] = (), **fields: Any) -> Inventory:
    fields.setdefault("available", True)
    fields.setdefault("version", "2026-07-28")
    fields.setdefault("capabilities", EVERYTHING)
    fields.setdefault("hints", {kind: CacheHint(60_000, False) for kind in Listing})
    return Inventory(upstream, tools=tuple(tools), **fields)


def desk() -> Inventory:
    """What the default rig composes: some of everything."""
    echo = tool("echo", {"text": {"type": "string"}, "count": {"type": "integer"}})
    region = tool("region", {"where": {"type": "string", "x-mcp-header": "Region"}})
    return offer(
        "up",
        (echo, region, tool("secret")),
        prompts=({"name": "greet", "arguments": [{"name": "who"}]},),
        resources=({"uri": "note://1", "name": "one"}, {"uri": "note://2", "name": "two"}),
        templates=({"uriTemplate": "file:///{path}", "name": "files"},),
    )


def composition(name: str = "desk", *, scopes: Sequence[str] = (), **source: Any) -> VirtualServerSettings:
    """A virtual server over `up` that shows all but the tool `secret`."""
    source = {"enabled_prompts": ["*"], "enabled_resources": ["*"], "disabled_tools": ["secret"], **source}
    return VirtualServerSettings.model_validate(
        {"name": name, "scopes": list(scopes), "sources": [{"upstream": "up", **source}]}
    )


def settings(
    *servers: VirtualServerSettings,
    upstreams: Sequence[str] = ("up",),
    identity: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Settings:
    addresses = {name: {"url": "http://127.0.0.1:9/mcp"} for name in upstreams}
    gateway = GatewaySettings.model_validate({"upstreams": addresses, "identity": identity or {}, "metadata": metadata})
    by_name = {server.name: server for server in servers}
    return Settings(gateway, by_name, Path(), (), (), digest="0" * 64, environment={})


class ByHeader:
    """The door of the rig: `x-user` names the principal, `x-client` the agent; `nobody` is refused."""

    def recall(self, asgi: Mapping[str, Any], resource: ProtectedResource) -> Principal | None:
        fields = dict(asgi["headers"])
        user, client = fields.get(b"x-user"), fields.get(b"x-client")
        if user is None:
            return ANONYMOUS
        if user == b"nobody":
            return None
        agent = None if client is None else client.decode()
        return Principal(id=f"corp|{user.decode()}", subject=user.decode(), client_id=agent)

    async def verify(self, asgi: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        raise Unauthenticated("who are you?", challenge=resource.challenge)

    def document(self, resource: ProtectedResource) -> Json | None:
        return None


class Rig:
    """A data plane and everything behind it."""

    def __init__(
        self,
        *servers: VirtualServerSettings,
        inventories: Sequence[Inventory] | None = None,
        keys: Sequence[bytes] = KEYS,
        circuit: Circuit | None = None,
        places: Places | None = None,
        inflight: InFlight | None = None,
        body: int = 1 << 20,
        door: Doorway | None = None,
        connect: App | None = None,
        identity: Mapping[str, Any] | None = None,
        policies: Policies | None = None,
        metadata: Mapping[str, Any] | None = None,
        accepted: Mapping[str, Sequence[Json]] | None = None,
    ) -> None:
        """`accepted` are the pinned definitions by upstream, None where nothing is pinned."""
        self.policies = policies
        self.door: Live[Doorway] = Live(door or ByHeader())
        self.terminal = Terminal()
        self.watch, self.closing = ScriptedWatch(), Closing()
        self.lines = MemoryLines()
        self.defects: list[tuple[str, Exception]] = []
        held = {inventory.upstream: inventory for inventory in inventories or (desk(),)}
        lock = None if accepted is None else _pinned(accepted)
        self.settings = replace(
            settings(*(servers or (composition(),)), upstreams=tuple(held), identity=identity, metadata=metadata),
            lock=lock,
        )
        self.hubs: dict[str, Hub[frozenset[Change]]] = {name: Hub() for name in self.settings.servers}
        self.standing = Standing(
            invoke=self.terminal,
            watch=self.watch,
            closing=self.closing,
            offer_now=self._offer_now,
            circuits={name: circuit or Circuit() for name in held},
            places={name: places or Places(1_000) for name in held},
            changes=self.hubs,
            cursors=Sealer(keys, "cursor"),
            states=Sealer(keys, "request-state"),
            trace=Trace(self.lines),
            audit=Audit(self.lines),
            llm=models.standing(self.settings, Allowed.parse(()), self.lines, MemoryPools(), "http://gw.test"),
            base_url="http://gw.test",
        )
        self.refusals = Refusals(self.lines, self.standing.telemetry.measures)
        self.served: Live[Mapping[str, Served]] = Live(self._compile(held))
        self.sessions = Sessions(Sealer(keys, "session"))
        limits = Limits(body, JsonLimits())
        self.app = DataPlane(
            self.served,
            allowed=AllowedOrigins.derive("http://gw.test", ("https://app.test",)),
            inflight=inflight or InFlight(1_000, 1_000),
            door=self.door,
            refused=self.refusals,
            modern=ModernEndpoint(limits, self._report, self.refusals),
            handshake=HandshakeEndpoint(limits, self.sessions, self._report, self.refusals),
            report=self._report,
            connect=connect,
        )

    def _report(self, request_id: str, error: Exception) -> None:
        self.defects.append((request_id, error))

    def _offer_now(self, server: str) -> Offer | None:
        return self.offers.get(server)

    def _compile(self, inventories: Mapping[str, Inventory]) -> Mapping[str, Served]:
        held = Pinning().hold(self.settings, inventories)
        fresh = snapshot(self.settings, catalogs(self.settings, held), self.standing, self.policies, held)
        self.offers = fresh.offers
        return fresh.served

    def swap(self, *inventories: Inventory, changed: Sequence[Change] = ()) -> None:
        """Put other inventories in force, as a reload does."""
        self.served.swap(self._compile({inventory.upstream: inventory for inventory in inventories}))
        self.publish(*changed)

    def publish(self, *changed: Change) -> None:
        for hub in self.hubs.values():
            if changed:
                hub.publish(frozenset(changed))

    @property
    def audit(self) -> list[dict[str, Any]]:
        return [record for record in self.lines.records if record["event"] == "call"]

    # ------------------------------------------------------------------ requests

    def send(self, asgi: Scope, *pieces: bytes, extension: bool = True, slow: bool = False) -> Exchange:
        return Exchange(self.app, asgi, pieces or (b"",), extension=extension, slow=slow)

    def post(
        self,
        message: object,
        headers: Mapping[str, str],
        *,
        server: str = "desk",
        extension: bool = True,
        slow: bool = False,
    ) -> Exchange:
        """POST one JSON value (or raw bytes) with exactly these headers."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        return self.send(scope("POST", f"/servers/{server}/mcp", lines), body, extension=extension, slow=slow)

    def modern(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        id: object = 1,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        server: str = "desk",
        user: str | None = None,
        extension: bool = True,
        slow: bool = False,
    ) -> Exchange:
        """A well-formed request of the modern era; `meta` and `headers` add and replace."""
        message = modern_request(method, params, id=id, meta=meta)
        given = {**modern_headers(message), **({"x-user": user} if user else {}), **(headers or {})}
        return self.post(message, given, server=server, extension=extension, slow=slow)

    def call(self, name: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> Exchange:
        """A modern `tools/call`."""
        return self.modern("tools/call", {"name": name, "arguments": dict(arguments or {})}, **options)


class Closing:
    """The gateway's shutting down, to be waited for."""

    def __init__(self) -> None:
        self._now = asyncio.Event()

    async def __call__(self) -> object:
        return await self._now.wait()

    def begin(self) -> None:
        self._now.set()


def modern_request(
    method: str, params: Mapping[str, Any] | None = None, *, id: object = 1, meta: Mapping[str, Any] | None = None
) -> Json:
    envelope = {META + "protocolVersion": MODERN[0], META + "clientCapabilities": {}, **(meta or {})}
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**(params or {}), "_meta": envelope}}


def modern_headers(message: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a client of the modern era sends with `message`."""
    headers = {"content-type": "application/json", "accept": BOTH, "mcp-protocol-version": MODERN[0]}
    headers["mcp-method"] = message["method"]
    key = NAMED.get(message["method"])
    if key is not None and key in message["params"]:
        headers["mcp-name"] = message["params"][key]
    return headers


def _pinned(accepted: Mapping[str, Sequence[Json]]) -> dict[str, dict[str, Pin]]:
    return {name: {tool["name"]: Pin.of(tool) for tool in tools} for name, tools in accepted.items()}
