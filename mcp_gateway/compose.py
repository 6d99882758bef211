"""From settings and inventories to one snapshot: every virtual server compiled, every pipeline folded.

Pure composition: nothing here waits or touches the outside. `app.py` calls it whenever the configuration or
an upstream's offer changes, and swaps the result in whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from types import MappingProxyType

from mcp_gateway import __version__, models
from mcp_gateway.calls.charge import ChargeCalls
from mcp_gateway.calls.connect import AskToConnect
from mcp_gateway.calls.counted import counted
from mcp_gateway.calls.enter import EnterCalls
from mcp_gateway.calls.fits import Fits
from mcp_gateway.calls.guard import Guard
from mcp_gateway.calls.guard_link import GuardLink
from mcp_gateway.calls.guarding import Guarding
from mcp_gateway.calls.intend import RecordIntent
from mcp_gateway.calls.inventory import Change
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.pipeline import Invoke, inner
from mcp_gateway.calls.scopes import RequireScopes
from mcp_gateway.calls.state import SealState
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.compile import compile_catalog
from mcp_gateway.catalog.findings import LeftOut
from mcp_gateway.catalog.schema import build
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.observe import Observe
from mcp_gateway.envelopes.observability.record import Audit, Trace
from mcp_gateway.envelopes.observability.telemetry import Telemetry, off
from mcp_gateway.envelopes.policy.authorize import Authorize, unrestricted
from mcp_gateway.envelopes.policy.breaker import Breaker, Circuit
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead, Places
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls, LimitTallies
from mcp_gateway.envelopes.policy.limits.pools import MemoryPools, Pools
from mcp_gateway.envelopes.policy.limits.rules import Rule, rules_of
from mcp_gateway.envelopes.safety.metadata.contract import Contract
from mcp_gateway.envelopes.safety.metadata.require import MetadataTallies, RequireMetadata
from mcp_gateway.envelopes.safety.safeguard import BadGuardrails, Safeguard
from mcp_gateway.govern import Governance, GuardPolicies, Guards, Policies, govern, guard_engines
from mcp_gateway.ingress.dispatch import Dispatch
from mcp_gateway.ingress.pipeline import outer
from mcp_gateway.ingress.served import Served
from mcp_gateway.methods.offer import Everything, Offer
from mcp_gateway.methods.subscriptions import LIST_CHANGED, WatchResource
from mcp_gateway.methods.table import Parts, tables
from mcp_gateway.pinning import Held
from mcp_gateway.policies import facts_of
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.settings.virtual_servers import VirtualServerSettings


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One compiled state of the gateway. A call sees one from start to end, and its record names the version."""

    version: str
    settings: Settings
    policies: Policies | None
    catalogs: Mapping[str, Catalog]
    offers: Mapping[str, Offer]
    served: Mapping[str, Served]
    held: Mapping[str, Held]
    governance: Governance | None
    llm: models.Served | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What outlives every snapshot and is shared by all of them. `offer_now` is the offer of a virtual server in the
    snapshot in force. `base_url` is what clients type, without the path."""

    invoke: Invoke
    watch: WatchResource
    closing: Callable[[], Awaitable[object]]
    offer_now: Callable[[str], Offer | None]
    circuits: Mapping[str, Circuit]
    places: Mapping[str, Places]
    changes: Mapping[str, Hub[frozenset[Change]]]
    cursors: Sealer
    states: Sealer
    trace: Trace | None
    audit: Audit
    llm: models.Standing
    base_url: str = ""
    pools: Pools = field(default_factory=MemoryPools)
    tallies: LimitTallies = field(default_factory=LimitTallies)
    metadata_tallies: MetadataTallies = field(default_factory=MetadataTallies)
    safeguard: Safeguard = field(default_factory=Safeguard)
    guard_policies: GuardPolicies = field(default_factory=GuardPolicies)
    server_places: Mapping[str, Places] = field(default_factory=dict)
    telemetry: Telemetry = field(default_factory=off)
    ask_to_connect: AskToConnect | None = None
    acquaint: Callable[[Sequence[str], Principal], Awaitable[object] | None] | None = None


def limits(settings: Settings) -> Mapping[str, Sequence[Rule]]:
    """The limits of every virtual server that has some, and those of the LLM plane beside them."""
    rules = rules_of({name: spec.rate_limits for name, spec in settings.servers.items()})
    asked = models.request_rules(settings)
    return {**rules, models.LIMITED: tuple(asked)} if asked else rules


def catalogs(settings: Settings, held: Mapping[str, Held]) -> Mapping[str, Catalog]:
    """Every virtual server compiled."""
    inventories = {name: each.admitted for name, each in held.items()}
    return MappingProxyType(
        {
            name: compile_catalog(spec, inventories, server_version=__version__)
            for name, spec in settings.servers.items()
        }
    )


def snapshot(
    settings: Settings,
    compiled: Mapping[str, Catalog],
    standing: Standing,
    policies: Policies | None,
    held: Mapping[str, Held],
) -> Snapshot:
    """The snapshot in which `compiled`, made of `held`, is served; without `policies` to everybody."""
    governance = None if policies is None else govern(policies, facts_of(settings, held), compiled)
    digest = sha256(settings.digest.encode())
    for name in sorted(compiled):
        digest.update(f"\0{name}\0{compiled[name].digest}".encode())
    version = digest.hexdigest()[:12]
    resources = {name: _resource(spec, standing, settings) for name, spec in settings.servers.items()}
    guards = guards_of(settings, compiled, standing, governance, held)
    guarding = None if guards is None else guarding_of(guards)
    handler = _inner(standing, resources, governance, settings, guarding, held)
    offers: Mapping[str, Offer] = {
        name: Everything(catalog) if governance is None else governance.offer(catalog)
        for name, catalog in compiled.items()
    }
    require_metadata = RequireMetadata(Contract.of(settings.gateway.metadata), standing.metadata_tallies)
    served = {
        name: _serve(
            settings.servers[name],
            catalog,
            offers[name],
            handler,
            require_metadata,
            version,
            standing,
            settings,
            resources[name],
        )
        for name, catalog in compiled.items()
    }
    llm = models.snapshot(settings, standing.llm, governance, guards, require_metadata, version, standing.telemetry)
    return Snapshot(version, settings, policies, compiled, offers, MappingProxyType(served), held, governance, llm)


def _resource(spec: VirtualServerSettings, standing: Standing, settings: Settings) -> ProtectedResource:
    """The virtual server as callers need a token for it."""
    return ProtectedResource.of(
        standing.base_url,
        f"/servers/{spec.name}/mcp",
        name=spec.title or spec.name,
        scopes=spec.scopes,
        supported=[scope for source in spec.sources for tool in source.tools.values() for scope in tool.scopes],
        documented=bool(settings.identity.issuers),
    )


def guards_of(
    settings: Settings,
    compiled: Mapping[str, Catalog],
    standing: Standing,
    governance: Governance | None,
    held: Mapping[str, Held],
) -> Guards | None:
    """The guardrails of `settings` over `compiled`, None without any. Raises `ConfigurationError`."""
    document = settings.guardrails
    if document is None or document.model is None:
        return None
    try:
        configured = standing.safeguard.configured(document.model, governed=governance is not None)
    except BadGuardrails as error:
        problems = [document.problem(fault.at, fault.message, fault.hint) for fault in error.faults]
        raise ConfigurationError(problems) from error
    asked: Mapping[str, Governance] = {}
    if configured.policies:
        parsed = standing.guard_policies.of(configured.policies)
        asked = guard_engines(configured.policies, parsed, governance, facts_of(settings, held), compiled)
    return Guards(configured.rulebook, standing.safeguard.engine, asked, parallel=document.model.parallel)


def guarding_of(guards: Guards) -> Guarding:
    """The guardrails over calls."""

    def permits(guardrail: str, call: Invocation, result: Result | None) -> bool:
        return guards.governances[guardrail].decide.permits(call, result)

    return Guarding(guards.rulebook, guards.engine, permits)


def _fits(held: Mapping[str, Held]) -> Fits:
    """The schemas of all tools, of two with one name the first, as catalogs have it."""
    definitions: dict[tuple[str, str], Json] = {}
    for upstream, each in held.items():
        for tool in each.admitted.tools:
            if isinstance(tool.get("name"), str):
                definitions.setdefault((upstream, tool["name"]), tool)
    return Fits(definitions, _valid)


def _valid(schema: Json) -> Callable[[object], bool] | None:
    try:
        return build(schema).is_valid
    except LeftOut:
        return None


def _inner(
    standing: Standing,
    resources: Mapping[str, ProtectedResource],
    governance: Governance | None,
    settings: Settings,
    guarding: Guarding | None,
    held: Mapping[str, Held],
) -> Handler[Invocation, Result]:
    rules = limits(settings)
    budgets = models.budgets_in(settings, standing.llm)
    narrow = any(spec.max_concurrency is not None for spec in settings.servers.values())
    decide = None if governance is None else governance.decide
    authorize: Authorize[Invocation] = Authorize(unrestricted) if decide is None else Authorize(decide, decide.release)
    return inner(
        require_scopes=RequireScopes({name: resource.metadata_url for name, resource in resources.items()}),
        limit_calls=LimitCalls(rules, standing.pools, standing.tallies, counted) if rules else None,
        ask_to_connect=standing.ask_to_connect,
        seal_state=SealState(standing.states),
        guard_link=None if guarding is None else GuardLink(guarding),
        authorize=authorize,
        guard=None if guarding is None else Guard(guarding, authorize, _fits(held)),
        server_places=Bulkhead(standing.server_places, _server) if narrow else None,
        breaker=Breaker(standing.circuits),
        bulkhead=Bulkhead(standing.places),
        record_intent=None if standing.audit.intents is None else RecordIntent(standing.audit.intents),
        charge_calls=None if budgets is None else ChargeCalls(budgets),
        enter_calls=None if standing.llm.ledger is None else EnterCalls(standing.llm.ledger),
        invoke=standing.invoke,
    )


def _server(invocation: Invocation) -> str:
    return invocation.call.server


def _serve(
    spec: VirtualServerSettings,
    catalog: Catalog,
    offer: Offer,
    handler: Handler[Invocation, Result],
    require_metadata: RequireMetadata,
    version: str,
    standing: Standing,
    settings: Settings,
    resource: ProtectedResource,
) -> Served:
    changes = standing.changes[spec.name]
    people = _of_people(spec, settings)
    modern, handshake = tables(
        Parts(
            catalog=catalog,
            offer=offer,
            offer_now=partial(standing.offer_now, spec.name),
            inner=handler,
            cursors=standing.cursors,
            changes=changes,
            watch=standing.watch,
            closing=standing.closing,
        )
    )
    return Served(
        name=spec.name,
        handler=outer(
            observe=_observe(standing),
            require_metadata=require_metadata,
            dispatch=Dispatch(modern, handshake),
        ),
        timeout=min(spec.timeout, settings.limits.request_timeout),
        server_info=_server_info(spec),
        follow_lists=_follow(changes),
        snapshot=version,
        resource=resource,
        acquaint=partial(standing.acquaint, people) if standing.acquaint is not None and people else None,
    )


def _observe(standing: Standing) -> Observe:
    telemetry = standing.telemetry
    return Observe(standing.audit, standing.trace, telemetry.measures, telemetry.tracer, telemetry.detail)


def _of_people(spec: VirtualServerSettings, settings: Settings) -> Sequence[str]:
    """The sources whose upstreams may show their lists to people only."""
    upstreams = {source.upstream: settings.upstreams.get(source.upstream) for source in spec.sources}
    return [name for name, each in upstreams.items() if isinstance(each, HttpUpstream) and each.auth.per_person]


def _follow(changes: Hub[frozenset[Change]]) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    methods = {change: method for change, _, _, method in LIST_CHANGED}

    def follow(notify: Callable[[str], None]) -> Callable[[], None]:
        def on_change(changed: frozenset[Change]) -> None:
            for change in sorted(changed):
                notify(methods[change])

        return changes.listen(on_change)

    return follow


def _server_info(spec: VirtualServerSettings) -> Json:
    info: Json = {"name": spec.name, "version": __version__}
    if spec.title:
        info["title"] = spec.title
    return info
