"""The LLM plane of a gateway, built: from models.yaml to what serves, over what outlives every configuration."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import structlog

from llm_proxy.app import PATH, Doors, Plane, Snapshot
from llm_proxy.asking import Ask
from llm_proxy.ingress.endpoint import READ, Limits, Report, Serving
from llm_proxy.pipeline import pipeline
from llm_proxy.providers.attempt import Patience
from llm_proxy.providers.complete import Complete, Plan
from llm_proxy.providers.provider import Provider, Terms
from llm_proxy.providers.registry import Registry, Wanted
from llm_proxy.routing.health import Healths
from llm_proxy.routing.routes import Routes
from llm_proxy.spend.prices import Prices
from llm_proxy.stages.authorize import DecideByPolicy
from llm_proxy.stages.cache import CacheAnswers, Kept
from llm_proxy.stages.enter import EnterAttempts
from llm_proxy.stages.guard import Guard
from llm_proxy.stages.metadata import RequireMetadata
from llm_proxy.stages.observe import Observe
from llm_proxy.stages.record import Record
from mcp_gateway.core.asgi.types import App
from mcp_gateway.core.call import Trail
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable, Problem
from mcp_gateway.core.live import Live
from mcp_gateway.core.pipeline import compose
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.envelopes.observability.telemetry import Telemetry
from mcp_gateway.envelopes.policy.authorize import Authorize, unrestricted
from mcp_gateway.envelopes.policy.budgets.alerts import Alerts
from mcp_gateway.envelopes.policy.budgets.at import budgets_at
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.restore import restore
from mcp_gateway.envelopes.policy.budgets.rules import Budget
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.budgets.spent import SpentInDatabase
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls, LimitTallies
from mcp_gateway.envelopes.policy.limits.pools import Pools
from mcp_gateway.envelopes.policy.limits.rules import Counted, Rule
from mcp_gateway.envelopes.safety.metadata.require import RequireMetadata as Contracts
from mcp_gateway.govern import Governance, Guards
from mcp_gateway.settings.llm import LlmSettings
from mcp_gateway.settings.llm_budgets import ModelRateLimitSettings
from mcp_gateway.settings.models import ModelsSettings
from mcp_gateway.settings.providers import ProviderSettings
from mcp_gateway.settings.settings import Settings

PATIENCE: Final = 3
"""A request as a whole may take so many times as long as one attempt: a target that hangs leaves others time."""

LIMITED: Final = "/v1"
"""Under this name the limits of the LLM plane stand beside those of virtual servers, none of which can be called so."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What outlives every snapshot of the plane. `spent` is told of every attempt."""

    plans: Plans
    healths: Healths
    settling: Settling
    alerts: Alerts
    pools: Pools
    record: Record
    base_url: str
    limit_tallies: LimitTallies = field(default_factory=LimitTallies)
    kept: Kept = field(default_factory=Kept)
    ledger: Ledger | None = None

    async def close(self) -> None:
        """Let go of connections."""
        await self.plans.close()
        await self.settling.close()
        await self.alerts.close()


def standing(
    settings: Settings, allowed: Allowed, records: LineSink, pools: Pools, base_url: str, ledger: Ledger | None = None
) -> Standing:
    """What the plane of a gateway starts with. Call it inside the running loop."""
    alerts = Alerts(allowed)
    return Standing(
        plans=Plans(Registry(allowed, largest=settings.limits.response)),
        healths=Healths(),
        settling=Settling(budgets_at(settings.state.redis, tenant=settings.state.tenant), alert=alerts),
        alerts=alerts,
        pools=pools,
        record=Record(records),
        base_url=base_url,
        ledger=ledger,
    )


def plane(live: Live[Snapshot | None], doors: Doors, limits: JsonLimits, body: int, report: Report) -> App:
    """The ASGI app for `/v1`. `body` is the most bytes that a request's may have."""
    return Plane(live, doors, Limits(body, limits), report)


def swap(live: Live[Snapshot | None], fresh: Snapshot | None, held: Standing) -> None:
    """Put `fresh` in force. What only the one before needed ends with its last request."""
    live.swap(fresh)
    held.plans.keep(() if fresh is None else fresh.providers)


def needs_ledger(settings: Settings) -> bool:
    """Whether anything is used that costs something."""
    tools = (
        tool for server in settings.servers.values() for source in server.sources for tool in source.tools.values()
    )
    return settings.llm is not None or any(tool.cost for tool in tools)


def request_rules(settings: Settings) -> Sequence[Rule]:
    """The limits on how often models are asked."""
    if settings.llm is None:
        return ()
    return [
        Rule.of(LIMITED, _Limit(each))
        for each in settings.llm.models.rate_limits
        if each.unit.startswith("requests_per_")
    ]


def snapshot(
    settings: Settings,
    held: Standing,
    governance: Governance | None,
    guards: Guards | None,
    contracts: Contracts,
    version: str,
) -> Snapshot | None:
    """The plane as `settings` have it; None without one. Raises `ConfigurationError`."""
    if settings.llm is None:
        return None
    models = settings.llm.models
    plan = held.plans.of(settings.llm)
    cache = models.defaults.cache
    budgets = budgets_in(settings, held)
    decide = None if governance is None else _decide(governance)
    authorize: Authorize[Ask] = Authorize(unrestricted) if decide is None else Authorize(decide)
    rules = request_rules(settings)
    handler = pipeline(
        record=held.record,
        require_metadata=RequireMetadata(contracts.settle),
        limit_requests=LimitCalls({LIMITED: rules}, held.pools, held.limit_tallies, _counted) if rules else None,
        authorize=authorize,
        guard=None if guards is None else _guard(guards, authorize),
        cache=CacheAnswers(held.kept, ttl=cache.ttl, most=cache.max_entries) if cache.enabled else None,
        answer=Complete(plan, held.healths, budgets, _nowhere if held.ledger is None else EnterAttempts(held.ledger)),
    )
    return Snapshot(
        serving=Serving(
            handler=handler,
            snapshot=version,
            timeout=PATIENCE * models.defaults.timeout,
            drain=models.defaults.on_disconnect == "drain",
            headers=READ | _session_headers(plan.routes),
        ),
        models=plan.routes.names,
        providers=tuple(plan.providers.values()),
        usable=_everything if decide is None else decide.usable,
        resource=ProtectedResource.of(held.base_url, PATH, name="Models", documented=bool(settings.identity.issuers)),
    )


def observed(plane: Snapshot | None, settings: Settings, telemetry: Telemetry) -> Snapshot | None:
    """`plane` with every request measured, and traced where there is a tracer."""
    if plane is None or settings.llm is None:
        return plane
    families = {name: provider.type for name, provider in settings.llm.models.providers.items()}
    stage = Observe(telemetry.measures, telemetry.tracer, families)
    return replace(plane, serving=replace(plane.serving, handler=compose([stage], plane.serving.handler)))


def _decide(governance: Governance) -> DecideByPolicy:
    return DecideByPolicy(governance.engine, governance.note, audit=governance.audit)


def _guard(guards: Guards, authorize: Authorize[Ask]) -> Guard:
    asked = {name: _decide(governance) for name, governance in guards.governances.items()}

    def permits(guardrail: str, ask: Ask) -> bool:
        return asked[guardrail].permits(ask)

    return Guard(guards.rulebook, guards.engine, authorize, permits, parallel=guards.parallel)


def budgets_in(settings: Settings, held: Standing) -> Budgets | None:
    """The budgets of both planes at work; None without any."""
    budgets = () if settings.llm is None else budgets_of(settings.llm.models)
    return Budgets(budgets, held.settling) if budgets else None


async def restored(settings: Settings, held: Standing, database: Database) -> None:
    """Let budgets go on where the last process was: in memory nobody else knows. Raises `ConfigurationError`."""
    budgets = budgets_in(settings, held)
    if budgets is None or settings.state.redis is not None:
        return
    try:
        await restore(budgets, SpentInDatabase(database, tenant=settings.state.tenant), int(time.time()))
    except IdentityUnavailable:
        told = "the ledger cannot be read, and without it budgets do not know what is spent already"
        raise ConfigurationError([Problem("state.database", 0, 0, told)]) from None


def budgets_of(models: ModelsSettings) -> Sequence[Budget]:
    """The budgets, and those limits that count tokens: they too are held back before anybody knows."""
    tokens = [each for each in models.rate_limits if each.unit.startswith("tokens_per_")]
    return [*(Budget.of(each) for each in models.budgets), *(Budget.of(_Tokens(each), rate=True) for each in tokens)]


class Plans:
    """The plan of a configuration, made once for all its snapshots. Make it inside the running loop."""

    __slots__ = ("_built", "_log", "_registry")

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._log = structlog.get_logger("models")
        self._built: tuple[LlmSettings, Plan] | None = None

    def of(self, llm: LlmSettings) -> Plan:
        """The plan of `llm`. Raises `ConfigurationError` for certificates that cannot be used."""
        if self._built is None or self._built[0] is not llm:
            self._built = (llm, self._make(llm))
        return self._built[1]

    def keep(self, providers: Collection[Provider]) -> None:
        """These are in force now."""
        self._registry.keep(providers)

    async def close(self) -> None:
        """Let go of connections."""
        await self._registry.close()

    def _make(self, llm: LlmSettings) -> Plan:
        models = llm.models
        defaults = models.defaults
        wanted = {name: _wanted(name, each, models) for name, each in models.providers.items()}
        try:
            providers = self._registry.provide(wanted)
        except OSError as error:
            problem = Problem(str(llm.document.path), 0, 0, f"a certificate of a provider cannot be used: {error}")
            raise ConfigurationError([problem]) from error
        routes = Routes.of(llm.rules, models.virtual_models, models.providers)
        prices = Prices(models.providers, models.prices)
        for target in prices.unknown(routes.targets):
            self._log.warning(
                "unknown price", target=target, effect="its answers count as free", hint="give it under prices"
            )
        return Plan(
            routes=routes,
            providers=providers,
            patience=Patience(defaults.first_token_timeout, defaults.idle_timeout),
            price=prices.of,
            output=defaults.max_output_tokens,
        )


def _wanted(name: str, provider: ProviderSettings, models: ModelsSettings) -> Wanted:
    tls = provider.tls
    return Wanted(
        Terms(
            name=name,
            family=provider.type,
            base_url=provider.base_url,
            key=provider.api_key,
            timeout=provider.timeout or models.defaults.timeout,
            headers=provider.headers,
            native_responses=provider.native_responses,
        ),
        TlsFiles() if tls is None else TlsFiles(tls.ca, tls.client_cert, tls.client_key),
        provider.max_concurrency,
        provider.max_connections or provider.max_concurrency,
    )


def _session_headers(routes: Routes) -> frozenset[bytes]:
    every = [*(rule.route for rule in routes.rules), *routes.virtual.values()]
    return frozenset(
        key.encode()
        for route in every
        if route.sticky is not None
        for source, key in route.sticky.identifiers
        if source == "headers"
    )


def _nowhere(ask: Ask) -> None:
    """Where there is no ledger."""


def _everything(principal: Principal, models: Sequence[str]) -> Sequence[str]:
    return models


def _counted(ask: Ask) -> tuple[Counted, Trail]:
    model = ask.asked.model
    return Counted(LIMITED, ask.principal, "", model, model, ask.metadata), ask.trail


@dataclass(frozen=True, slots=True)
class _When:
    subjects: Sequence[str]
    tools: Sequence[str]
    metadata: Mapping[str, str]


class _Limit:
    """A limit on requests, as those on calls are written: a model stands where a tool does."""

    def __init__(self, spec: ModelRateLimitSettings) -> None:
        self.id = spec.id
        self.limit = spec.limit
        self.unit: Any = spec.unit.replace("requests_", "calls_")
        self.per = ["tool" if each == "model" else each for each in spec.per]
        self.when = _When(spec.when.subjects, spec.when.models, spec.when.metadata)
        self.mode: Literal["enforce", "audit"] = spec.mode
        self.on_store_error: Literal["allow", "deny"] = spec.on_store_error


@dataclass(frozen=True, slots=True)
class _Given:
    given: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class _NoAlerts:
    thresholds: Sequence[float] = ()
    webhook: Secret | None = None


@dataclass(frozen=True, slots=True)
class _Which:
    subjects: Sequence[str]
    models: Sequence[str]
    metadata: Mapping[str, str]
    tools: Sequence[str] = ()


class _Tokens:
    """A limit on tokens, as budgets are written."""

    def __init__(self, spec: ModelRateLimitSettings) -> None:
        self.id = spec.id
        self.per = spec.per
        self.when = _Which(spec.when.subjects, spec.when.models or ("*",), spec.when.metadata)
        self.limits = _Given([(spec.unit, spec.limit)])
        self.alerts = _NoAlerts()
        self.mode: Literal["enforce", "audit"] = spec.mode
        self.on_store_error: Literal["allow", "deny"] = spec.on_store_error
