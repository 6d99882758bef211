"""The roof: builds every room once, joins them, owns their life. The only file that sees everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import monotonic
from types import MappingProxyType
from typing import Any, Final

import structlog

from mcp_gateway import __version__
from mcp_gateway.admin.api import build as build_admin
from mcp_gateway.admin.control import Reloaded
from mcp_gateway.calls.inventory import Change, InventoryChanged
from mcp_gateway.catalog.catalog import Catalog, SourceReport
from mcp_gateway.catalog.diff import changes as changed_lists
from mcp_gateway.catalog.findings import Severity
from mcp_gateway.compose import Snapshot, Standing, catalogs, snapshot
from mcp_gateway.core.asgi.drain import Drain
from mcp_gateway.core.asgi.hosts import AllowedOrigins, CheckHost
from mcp_gateway.core.asgi.inflight import InFlight
from mcp_gateway.core.asgi.types import App
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import ConfigurationError, GatewayError, Problem
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.live import Live
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.identity.anonymous import anonymous_on_loopback
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.envelopes.observability.record import Audit, Trace
from mcp_gateway.envelopes.policy.breaker import Circuit
from mcp_gateway.envelopes.policy.bulkhead import Places
from mcp_gateway.ingress.exchange import Limits
from mcp_gateway.ingress.handshake import HandshakeEndpoint
from mcp_gateway.ingress.modern_endpoint import ModernEndpoint
from mcp_gateway.ingress.plane import DataPlane
from mcp_gateway.ingress.served import Served
from mcp_gateway.ingress.sessions import Sessions
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.state import StateSettings
from mcp_gateway.upstream.fleet import Fleet
from mcp_gateway.upstream.spec import Reach

SETTLE_SECONDS: Final = 15.0
"""How long starting and reloading wait for upstreams to be tried once."""


class Gateway:
    """A running gateway. Implements `admin.control.Control`.

    `load` reads the configuration anew for a reload and raises `ConfigurationError`; it runs in a thread.
    """

    def __init__(
        self, settings: Settings, *, load: Callable[[], Settings], records: LineSink, trace: bool = False
    ) -> None:
        self._load = load
        self._log = structlog.get_logger("gateway")
        self._reloading = asyncio.Lock()
        self._started = False
        self._terms: dict[str, tuple[object, ...]] = {}
        self._circuits: dict[str, Circuit] = {}
        self._places: dict[str, Places] = {}
        self._hubs: dict[str, Hub[frozenset[Change]]] = {}
        keys = key_ring(settings.state)
        self.drain = Drain()
        reach = Reach(Allowed.parse(settings.gateway.egress.allow), settings.limits.response)
        self.fleet = Fleet(self._log, base_dir=settings.base_dir, reach=reach)
        self.fleet.changes.listen(self._on_inventory)
        self.fleet.recovered.listen(self._on_recovered)
        self._sessions = Sessions(Sealer(keys, "session"))
        self._standing = Standing(
            invoke=self.fleet.invoke,
            watch=self.fleet.watch,
            closing=self.drain.closing.wait,
            circuits=self._circuits,
            places=self._places,
            changes=self._hubs,
            cursors=Sealer(keys, "cursor"),
            states=Sealer(keys, "request-state"),
            trace=Trace(records) if trace else None,
            audit=Audit(records),
        )
        self._live: Live[Snapshot] = Live(self._compose(settings))
        self._served: Live[Mapping[str, Served]] = Live(self._live.current.served)
        self._inflight = InFlight(settings.limits.in_flight, settings.limits.in_flight_per_client)

    @property
    def settings(self) -> Settings:
        """The running configuration."""
        return self._live.current.settings

    async def start(self) -> None:
        """Start the upstreams and compile what they offer.

        Raises `ConfigurationError` where compositions contradict themselves (`conflicts: error`).
        """
        settings = self.settings
        for notice in settings.notices:
            self._log.warning("notice", notice=notice)
        await self.fleet.apply(settings.upstreams)
        await self.fleet.settled(SETTLE_SECONDS)
        compiled = self._compile(settings)
        _refuse_conflicts(compiled)
        self._swap(settings, compiled)
        self._started = True
        self.drain.ready = True

    def end_streams(self) -> None:
        """End the standing streams of sessions, so that draining does not wait for them."""
        self._sessions.end_streams()

    async def close(self) -> None:
        """Let go of sessions and upstreams."""
        self._sessions.close()
        await self.fleet.close()

    def data_plane(self, *, port: int | None = None) -> App:
        """The data plane's ASGI app. `port` is the bound one where the configuration leaves it open."""
        settings = self.settings
        limits = Limits(
            body=settings.limits.body,
            json=JsonLimits(depth=settings.limits.json_depth, nodes=settings.limits.json_nodes),
        )
        allowed = AllowedOrigins.derive(
            settings.server.base_url,
            (*settings.server.allowed_hosts, *settings.server.allowed_origins),
            listen=(settings.server.host, settings.server.port if port is None else port),
        )
        plane = DataPlane(
            self._served,
            allowed=allowed,
            inflight=self._inflight,
            authenticate=anonymous_on_loopback,
            modern=ModernEndpoint(limits, self._report),
            handshake=HandshakeEndpoint(limits, self._sessions, self._report),
        )
        return self.drain.track(plane)

    def control_plane(self, *, port: int | None = None) -> App:
        """The control plane's ASGI app."""
        admin = self.settings.server.admin
        bound = admin.port if port is None else port
        allowed = AllowedOrigins.derive(f"http://{_bracketed(admin.host)}:{bound}", listen=(admin.host, bound))
        return CheckHost(build_admin(self, version=__version__), allowed)

    def _report(self, request_id: str, error: Exception) -> None:
        """A defect of ours met by a request: the client gets its id, the log gets the traceback."""
        self._log.error("internal error", request_id=request_id, exc_info=error)

    # ------------------------------------------------------------------ control

    def ready(self) -> tuple[bool, str]:
        if not self._started:
            return False, "starting"
        if not self.drain.ready:
            return False, "shutting down"
        broken = sorted(name for name, catalog in self._live.current.catalogs.items() if catalog.broken)
        if broken:
            return False, "a source without best_effort is down in: " + ", ".join(broken)
        return True, "ready"

    def servers(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "path": f"/servers/{name}/mcp",
                "title": catalog.title,
                "tools": len(catalog.tools),
                "prompts": len(catalog.prompts),
                "resources": len(catalog.resources),
                "templates": len(catalog.templates),
                "sources": [_source(source) for source in catalog.sources],
                "problems": [str(problem) for problem in catalog.problems],
            }
            for name, catalog in self._live.current.catalogs.items()
        ]

    def upstreams(self) -> list[dict[str, Any]]:
        now = monotonic()
        return [
            {
                **asdict(health),
                "breaker": self._circuits[name].state(now) if name in self._circuits else "closed",
                "waiting": self._places[name].waiting if name in self._places else 0,
            }
            for name, health in self.fleet.health().items()
        ]

    def snapshot(self) -> dict[str, Any]:
        current = self._live.current
        return {
            "version": current.version,
            "configuration": current.settings.digest,
            "servers": {name: catalog.digest for name, catalog in current.catalogs.items()},
            "notices": list(current.settings.notices),
        }

    def metrics(self) -> str:
        lines = [
            "# TYPE mcp_gateway_requests_in_flight gauge",
            f"mcp_gateway_requests_in_flight {self._inflight.count}",
            "# TYPE mcp_gateway_handshake_sessions gauge",
            f"mcp_gateway_handshake_sessions {len(self._sessions)}",
            "# TYPE mcp_gateway_upstream_available gauge",
        ]
        health = self.fleet.health()
        lines += [f'mcp_gateway_upstream_available{{upstream="{n}"}} {int(h.available)}' for n, h in health.items()]
        lines.append("# TYPE mcp_gateway_upstream_restarts_total counter")
        lines += [f'mcp_gateway_upstream_restarts_total{{upstream="{n}"}} {h.restarts}' for n, h in health.items()]
        lines.append("# TYPE mcp_gateway_breaker_opened_total counter")
        lines += [f'mcp_gateway_breaker_opened_total{{upstream="{n}"}} {c.opened}' for n, c in self._circuits.items()]
        return "\n".join(lines) + "\n"

    async def reload(self) -> Reloaded:
        async with self._reloading:
            running = self._live.current
            try:
                settings = await asyncio.to_thread(self._load)
                await self._change_to(settings)
            except ConfigurationError as error:
                problems = tuple(str(problem) for problem in error.problems)
                self._log.error("reload refused", problems=problems, snapshot=running.version)
                return Reloaded(False, running.version, problems)
            self._log.info("reloaded", snapshot=self._live.current.version)
            return Reloaded(True, self._live.current.version)

    async def _change_to(self, settings: Settings) -> None:
        old = self.settings
        _refuse_rebinding(old, settings)
        await self.fleet.apply(settings.upstreams)
        await self.fleet.settled(SETTLE_SECONDS)
        try:
            compiled = self._compile(settings)
            _refuse_conflicts(compiled)
        except GatewayError:
            await self.fleet.apply(old.upstreams)
            raise
        self._swap(settings, compiled)

    # ------------------------------------------------------------------ composing

    def _compose(self, settings: Settings) -> Snapshot:
        return snapshot(settings, self._compile(settings), self._standing)

    def _compile(self, settings: Settings) -> Mapping[str, Catalog]:
        self._furnish(settings)
        return catalogs(settings, {name: self.fleet.inventory(name) for name in settings.upstreams})

    def _furnish(self, settings: Settings) -> None:
        """Make what lives as long as an upstream or a virtual server does, for those that are new or changed."""
        for name, upstream in settings.upstreams.items():
            terms = (upstream.breaker, upstream.max_concurrency)
            if self._terms.get(name) != terms:
                self._terms[name] = terms
                self._circuits[name] = Circuit(failures=upstream.breaker.failures, cooldown=upstream.breaker.cooldown)
                self._places[name] = Places(upstream.max_concurrency)
        for name in settings.servers:
            self._hubs.setdefault(name, Hub())

    def _swap(
        self,
        settings: Settings,
        compiled: Mapping[str, Catalog],
        announced: Mapping[str, frozenset[Change]] = MappingProxyType({}),
    ) -> None:
        """Put `compiled` in force and tell listeners what changed, or was said to have changed."""
        old = self._live.swap(snapshot(settings, compiled, self._standing))
        self._served.swap(self._live.current.served)
        if not self._started:
            return
        for name, catalog in compiled.items():
            before = old.catalogs.get(name)
            if before is None:
                continue
            changed = changed_lists(before, catalog) | announced.get(name, frozenset())
            if changed:
                self._log.info("lists changed", server=name, lists=sorted(changed))
                self._hubs[name].publish(changed)

    def _on_inventory(self, event: InventoryChanged) -> None:
        if not self._started:
            return
        current = self._live.current
        upstream = event.inventory.upstream
        users = {
            name
            for name, spec in current.settings.servers.items()
            if any(source.upstream == upstream for source in spec.sources)
        }
        if not users:
            return
        self._swap_users(current, users, event.announced)

    def _swap_users(self, current: Snapshot, users: set[str], announced: frozenset[Change]) -> None:
        inventories = {name: self.fleet.inventory(name) for name in current.settings.upstreams}
        fresh = catalogs(current.settings, inventories)
        compiled = {name: fresh[name] if name in users else catalog for name, catalog in current.catalogs.items()}
        self._swap(current.settings, compiled, dict.fromkeys(users, announced))

    def _on_recovered(self, name: str) -> None:
        if name in self._circuits:
            self._circuits[name].succeeded()


def _refuse_conflicts(compiled: Mapping[str, Catalog]) -> None:
    problems = [
        Problem(f"virtual server {name}", 0, 0, str(problem))
        for name, catalog in compiled.items()
        for problem in catalog.problems
        if problem.severity is Severity.ERROR
    ]
    if problems:
        raise ConfigurationError(problems)


def _source(report: SourceReport) -> dict[str, Any]:
    return {
        "upstream": report.upstream,
        "available": report.available,
        "error": report.error,
        "version": report.version,
        "exposed": {kind.value: count for kind, count in report.exposed.items()},
        "dropped": {kind.value: count for kind, count in report.dropped.items()},
    }


def _refuse_rebinding(old: Settings, new: Settings) -> None:
    """Listeners and keys are fixed at start; changing them needs a restart, and saying so beats ignoring it."""
    fixed = (
        ("server", old.server, new.server),
        ("state", _fixed_state(old.state), _fixed_state(new.state)),
        ("egress", old.gateway.egress, new.gateway.egress),
    )
    problems = [
        Problem("gateway.yaml", 0, 0, f"`{name}` changed: restart the gateway to apply it", "the rest can be reloaded")
        for name, before, after in fixed
        if before != after
    ]
    if problems:
        raise ConfigurationError(problems)


def _fixed_state(state: StateSettings) -> tuple[object, ...]:
    # A key that was made at start is no change: a key with a file is known by the file.
    return (state.database, state.redis, *(key.path or key.secret for key in state.encryption_keys))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
