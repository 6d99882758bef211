"""The control plane's side of the gateway: what its admins are shown of it, and the little that they may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mcp_gateway import inspection
from mcp_gateway.admin.control import Reloaded
from mcp_gateway.compose import Snapshot, Standing
from mcp_gateway.core.asgi.drain import Drain
from mcp_gateway.core.asgi.inflight import InFlight
from mcp_gateway.core.live import Live
from mcp_gateway.envelopes.identity.stores import GrantKey
from mcp_gateway.envelopes.observability.ledger.usage import Group, usage
from mcp_gateway.identify import Identity
from mcp_gateway.ingress.sessions import Sessions
from mcp_gateway.upstream.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Implements `admin.control.Control` over the parts of a running gateway.

    `started` tells whether upstreams were tried and what they offer is served; `reload` puts the configuration in
    force anew.
    """

    live: Live[Snapshot]
    fleet: Fleet
    identity: Identity
    standing: Standing
    sessions: Sessions
    inflight: InFlight
    drain: Drain
    started: Callable[[], bool]
    reload_now: Callable[[], Awaitable[Reloaded]]

    def ready(self) -> tuple[bool, str]:
        if not self.started():
            return False, "starting"
        if not self.drain.ready:
            return False, "shutting down"
        broken = sorted(name for name, catalog in self.live.current.catalogs.items() if catalog.broken)
        if broken:
            return False, "a source without best_effort is down in: " + ", ".join(broken)
        return True, inspection.ready(self.standing.audit.intents)

    def servers(self) -> list[dict[str, Any]]:
        return inspection.servers(self.live.current.catalogs, self.standing.server_places)

    def server(self, name: str) -> dict[str, Any] | None:
        catalog = self.live.current.catalogs.get(name)
        return None if catalog is None else inspection.server(catalog, self.standing.server_places)

    def upstreams(self) -> list[dict[str, Any]]:
        standing = self.standing
        return inspection.upstreams(self.fleet.health(), standing.circuits, standing.places, self.live.current.held)

    def definitions(self, upstream: str) -> dict[str, Any] | None:
        if upstream not in self.live.current.settings.upstreams:
            return None
        held = self.fleet.inventory(upstream)
        return {"version": held.version, "available": held.available, "tools": list(held.tools)}

    def snapshot(self) -> dict[str, Any]:
        current = self.live.current
        return {
            "version": current.version,
            "configuration": current.settings.digest,
            "servers": {name: catalog.digest for name, catalog in current.catalogs.items()},
            "notices": list(current.settings.notices),
        }

    def metrics(self) -> str:
        gauges = {
            "mcp_gateway_requests_in_flight": self.inflight.count,
            "mcp_gateway_handshake_sessions": len(self.sessions),
        }
        standing, current = self.standing, self.live.current
        shown = inspection.metrics(gauges, self.identity.counters(), self.fleet.health(), standing.circuits)
        shown += inspection.places("server", standing.server_places) + inspection.places("upstream", standing.places)
        shown += inspection.quarantine(current.held) + inspection.limits(standing.tallies, standing.pools)
        shown += inspection.guardrails(standing.safeguard.tallies) + inspection.budgets(
            standing.llm.settling, standing.llm.alerts
        )
        shown += inspection.metadata(standing.metadata_tallies) + inspection.snapshot(current.version)
        return shown + standing.telemetry.text() + inspection.audit(standing.audit.intents)

    async def reload(self) -> Reloaded:
        return await self.reload_now()

    async def connections(
        self, principal: str | None, upstream: str | None, *, after: tuple[str, str] | None, most: int
    ) -> list[dict[str, Any]]:
        begin = None if after is None else GrantKey(*after)
        found = await self.identity.connections.list(principal=principal, upstream=upstream, after=begin, most=most)
        return [asdict(connection) for connection in found]

    async def disconnect(self, principal: str, upstream: str) -> dict[str, Any] | None:
        done = await self.identity.connections.disconnect(GrantKey(principal, upstream))
        return None if done is None else {**asdict(done.key), "revocation": done.revocation}

    async def usage(self, by: Sequence[str], *, since: float, until: float | None, most: int) -> list[Group]:
        tenant = self.live.current.settings.state.tenant
        return await usage(self.identity.state.database, tenant=tenant, by=by, since=since, until=until, most=most)

    def identities(self) -> list[str]:
        policies = self.live.current.policies
        return [] if policies is None else list(policies.compiled.identities)

    async def access(self, who: str, **told: Any) -> dict[str, Any]:
        now = self.live.current
        rules = None if now.governance is None else now.governance.rules
        return asdict(await inspection.access(who, now.settings, now.version, now.catalogs, rules, **told))
