"""The roof: builds every room once, joins them, owns their life. The only file that sees everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import structlog

from mcp_gateway import __version__, models
from mcp_gateway.admin.api import build as build_admin
from mcp_gateway.admin.changes import Changes
from mcp_gateway.admin.control import Reloaded
from mcp_gateway.admin.guard import Entrance, Guard
from mcp_gateway.calls.inventory import Change, InventoryChanged
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.diff import changes as changed_lists
from mcp_gateway.compose import Snapshot, Standing, catalogs, limits, snapshot
from mcp_gateway.control_plane import ControlPlane
from mcp_gateway.core.asgi.drain import Drain
from mcp_gateway.core.asgi.hosts import AllowedOrigins
from mcp_gateway.core.asgi.inflight import InFlight
from mcp_gateway.core.asgi.types import App
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import ConfigurationError, GatewayError
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.envelopes.observability.record import Audit, Trace
from mcp_gateway.envelopes.observability.telemetry import Telemetry, off
from mcp_gateway.envelopes.policy.breaker import Circuit
from mcp_gateway.envelopes.policy.bulkhead import Places, fit
from mcp_gateway.envelopes.policy.limits.at import pools_at
from mcp_gateway.envelopes.safety.safeguard import Safeguard
from mcp_gateway.govern import Policies, checked, policies_of, same_policies
from mcp_gateway.identify import Identity
from mcp_gateway.ingress.exchange import Limits
from mcp_gateway.ingress.handshake import HandshakeEndpoint
from mcp_gateway.ingress.modern_endpoint import ModernEndpoint
from mcp_gateway.ingress.plane import DataPlane
from mcp_gateway.ingress.served import Served
from mcp_gateway.ingress.sessions import Sessions
from mcp_gateway.methods.offer import Offer
from mcp_gateway.pinning import Held, Pinning, tell_drift
from mcp_gateway.policies import facts_of
from mcp_gateway.reloadable import refuse_conflicts, refuse_rebinding
from mcp_gateway.settings.settings import Settings
from mcp_gateway.telling import detail_of
from mcp_gateway.upstream.fleet import Fleet
from mcp_gateway.upstream.spec import Reach

ACQUAINT_SECONDS: Final = 10.0
"""How long a request waits for lists that are read as the person who makes it."""

SETTLE_SECONDS: Final = 15.0
"""How long starting and reloading wait for upstreams to be tried once."""


class Gateway:
    """A running gateway. `control` is what its control plane shows and does.

    `load` reads the configuration anew for a reload and raises `ConfigurationError`; it runs in a thread.
    `identity` is opened and closed by whoever runs the gateway.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        identity: Identity,
        load: Callable[[], Settings],
        records: LineSink,
        ledger: Ledger | None = None,
        telemetry: Telemetry | None = None,
        trace: bool = False,
    ) -> None:
        telemetry = telemetry or off()
        self._load = load
        self._records = records
        self._log = structlog.get_logger("gateway")
        self._reloading = asyncio.Lock()
        self._started = False
        self._pinning = Pinning()
        self._terms: dict[str, object] = {}
        self._circuits: dict[str, Circuit] = {}
        self._places: dict[str, Places] = {}
        self._server_places: dict[str, Places] = {}
        self._hubs: dict[str, Hub[frozenset[Change]]] = {}
        self._identity = identity
        self.drain = Drain()
        reach = Reach(Allowed.parse(settings.gateway.egress.allow), settings.limits.response)
        self.fleet = self._upstreams_of(settings, reach, telemetry)
        self.fleet.changes.listen(self._on_inventory)
        self.fleet.recovered.listen(self._on_recovered)
        self._sessions = Sessions(Sealer(identity.keys, "session"), telemetry.measures.session_of_client)
        pools = pools_at(settings.state.redis, tenant=settings.state.tenant)
        self._standing = Standing(
            invoke=self.fleet.invoke,
            watch=self.fleet.watch,
            closing=self.drain.closing.wait,
            offer_now=self._offer_now,
            circuits=self._circuits,
            places=self._places,
            server_places=self._server_places,
            changes=self._hubs,
            cursors=Sealer(identity.keys, "cursor"),
            states=Sealer(identity.keys, "request-state"),
            trace=Trace(records) if trace else None,
            audit=Audit(records),
            base_url=identity.base_url,
            pools=pools,
            safeguard=Safeguard(reach.allowed),
            ask_to_connect=identity.ask_to_connect,
            acquaint=self._acquaint,
            telemetry=telemetry,
            llm=models.standing(settings, reach.allowed, records, pools, identity.base_url, ledger),
        )
        self.refusals = self._standing.telemetry.refusals(records, settings.telemetry.audit.unknown_per_minute)
        self._make_room(settings)
        self._live: Live[Snapshot] = Live(self._compose(settings, policies_of(settings)))
        self._served: Live[Mapping[str, Served]] = Live(self._live.current.served)
        self._llm: Live[models.Served | None] = Live(self._live.current.llm)
        self._inflight = InFlight(settings.limits.in_flight, settings.limits.in_flight_per_client)
        self.control = self._controlled()

    def _upstreams_of(self, settings: Settings, reach: Reach, telemetry: Telemetry) -> Fleet:
        credentials, ended = self._identity.credentialing.credentials, telemetry.measures.session_with_upstream
        return Fleet(self._log, base_dir=settings.base_dir, reach=reach, credentials=credentials, ended=ended)

    @property
    def settings(self) -> Settings:
        """The running configuration."""
        return self._live.current.settings

    async def start(self) -> None:
        """Start the upstreams and compile what they offer.

        Raises `ConfigurationError` where compositions contradict themselves (`conflicts: error`) or there is no ledger.
        """
        settings = self.settings
        await models.restored(settings, self._standing.llm, self._identity.state.database)
        for notice in settings.notices:
            self._log.warning("notice", notice=notice)
        await self.fleet.apply(settings.upstreams)
        await self.fleet.settled(SETTLE_SECONDS)
        self._swap(self._checked(settings, self._live.current.policies))
        self._started = True
        self.drain.ready = True

    def end_streams(self) -> None:
        """End the standing streams of sessions, so that draining does not wait for them."""
        self._sessions.end_streams()

    async def close(self) -> None:
        """Let go of sessions and upstreams."""
        self.refusals.close()
        self._sessions.close()
        await self.fleet.close()
        await self._standing.pools.close()
        await self._standing.llm.close()
        await self._standing.safeguard.close()

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
            door=self._identity.door,
            connect=self._identity.pages(self.refusals),
            models=models.ModelsApp(
                self._llm, self._standing.llm, self._identity.door, limits, report_defect, self.refusals
            ),
            report=report_defect,
            refused=self.refusals,
            modern=ModernEndpoint(limits, report_defect, self.refusals),
            handshake=HandshakeEndpoint(limits, self._sessions, report_defect, self.refusals),
        )
        return self.drain.track(plane)

    def control_plane(self, *, port: int | None = None) -> App:
        """The control plane's ASGI app."""
        settings = self.settings
        admin = settings.server.admin
        bound = admin.port if port is None else port
        allowed = AllowedOrigins.derive(admin.base_url_at(bound), admin.allowed_hosts, listen=(admin.host, bound))
        uri = admin.audience_at(bound)
        app = build_admin(
            self.control,
            version=__version__,
            metrics=self._standing.telemetry.terms.prometheus,
            record=settings.telemetry.audit.path,
        )
        entrance = partial(self._entrance, ProtectedResource(uri, "Control plane"))
        changes = Changes(self._records, self._standing.telemetry.measures)
        return Guard(
            app, allowed, entrance=entrance, refused=self.refusals, changes=changes, on_loopback=admin.on_loopback
        )

    def _entrance(self, resource: ProtectedResource) -> Entrance | None:
        """How callers get into the control plane, by the configuration in force."""
        auth, door = self.settings.server.admin.auth, self._identity.control_door
        if auth is None:
            return None
        assert door is not None  # a reload neither adds nor takes away `auth`
        return Entrance(door, resource, auth.roles, auth.metrics == "open")

    def _controlled(self) -> ControlPlane:
        return ControlPlane(
            live=self._live,
            fleet=self.fleet,
            identity=self._identity,
            standing=self._standing,
            sessions=self._sessions,
            inflight=self._inflight,
            drain=self.drain,
            started=lambda: self._started,
            reload_now=self.reload,
        )

    def _offer_now(self, server: str) -> Offer | None:
        return self._live.current.offers.get(server)

    def _acquaint(self, upstreams: Sequence[str], principal: Principal) -> Awaitable[object] | None:
        """Have what is shown to people only read as `principal`; what to wait for, if anything."""
        deadline = asyncio.get_running_loop().time() + ACQUAINT_SECONDS
        return self.fleet.acquaint(principal, upstreams, deadline)

    # ------------------------------------------------------------------ reloading

    async def reload(self) -> Reloaded:
        """Read the configuration again and swap it in whole, or keep the running one."""
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
        refuse_rebinding(old, settings)
        policies = policies_of(settings)
        await self.fleet.apply(settings.upstreams)
        await self.fleet.settled(SETTLE_SECONDS)
        try:
            fresh = self._checked(settings, policies)
        except GatewayError:
            await self.fleet.apply(old.upstreams)
            raise
        self._identity.apply(settings)
        self._standing.telemetry.apply(detail_of(settings.telemetry))
        self._make_room(settings)
        self._swap(fresh)
        for notice in settings.notices:
            if notice not in old.notices:
                self._log.warning("notice", notice=notice)
        self._standing.pools.keep({rule.name for rules in limits(settings).values() for rule in rules})

    # ------------------------------------------------------------------ composing

    def _compose(self, settings: Settings, policies: Policies | None) -> Snapshot:
        compiled = self._compile(settings)
        return snapshot(settings, compiled, self._standing, policies, self._held(settings))

    def _compile(self, settings: Settings) -> Mapping[str, Catalog]:
        self._furnish(settings)
        return catalogs(settings, self._held(settings))

    def _held(self, settings: Settings) -> Mapping[str, Held]:
        return self._pinning.hold(settings, {name: self.fleet.inventory(name) for name in settings.upstreams})

    def _checked(self, settings: Settings, policies: Policies | None) -> Snapshot:
        """The snapshot of `settings`, all of it held against what upstreams offer. Raises `ConfigurationError`."""
        compiled = self._compile(settings)
        refuse_conflicts(compiled)
        held = self._held(settings)
        if policies is not None:
            for remark in checked(policies, facts_of(settings, held), tuple(settings.servers)):
                self._log.warning("policy", remark=str(remark))
        return snapshot(settings, compiled, self._standing, policies, held)

    def _furnish(self, settings: Settings) -> None:
        """Make what lives as long as an upstream or a virtual server does, for those that are new or changed."""
        for name, upstream in settings.upstreams.items():
            if self._terms.get(name) != upstream.breaker:
                self._terms[name] = upstream.breaker
                self._circuits[name] = Circuit(failures=upstream.breaker.failures, cooldown=upstream.breaker.cooldown)
        for name in settings.servers:
            self._hubs.setdefault(name, Hub())

    def _make_room(self, settings: Settings) -> None:
        """As many places as `settings` say from now on; calls under way keep theirs and stay counted."""
        fit(self._places, {name: each.max_concurrency for name, each in settings.upstreams.items()})
        narrow = {name: each.max_concurrency for name, each in settings.servers.items()}
        fit(self._server_places, narrow, "the virtual server `{}`")

    def _swap(self, fresh: Snapshot, announced: Mapping[str, frozenset[Change]] = MappingProxyType({})) -> None:
        """Put `fresh` in force and tell listeners what changed, or was said to have changed."""
        old = self._live.swap(fresh)
        self._served.swap(fresh.served)
        models.swap(self._llm, fresh.llm, self._standing.llm)
        tell_drift(self._log, old.held, fresh.held)
        if not self._started:
            return
        # Nobody knows whose lists other policies change without asking for each: all are told to look.
        decided = frozenset() if same_policies(old.policies, fresh.policies) else frozenset(Change)
        for name, catalog in fresh.catalogs.items():
            before = old.catalogs.get(name)
            if before is None:
                continue
            changed = changed_lists(before, catalog) | announced.get(name, frozenset()) | decided
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
        fresh = catalogs(current.settings, self._held(current.settings))
        compiled = {name: fresh[name] if name in users else catalog for name, catalog in current.catalogs.items()}
        held = self._held(current.settings)
        self._swap(
            snapshot(current.settings, compiled, self._standing, current.policies, held),
            dict.fromkeys(users, announced),
        )

    def _on_recovered(self, name: str) -> None:
        if name in self._circuits:
            self._circuits[name].succeeded()


def report_defect(request_id: str, error: Exception) -> None:
    """A defect of ours met by a request: the client gets its id, the log gets the traceback."""
    structlog.get_logger("gateway").error("internal error", request_id=request_id, exc_info=error)
