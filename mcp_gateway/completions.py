"""The LLM plane at work: from models.yaml to what serves.

Loaded by name, only where models are configured: its dialects, families and routes are a quarter of a second and 12 MB
(docs/decisions/006 says the same of Redis).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, cast

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
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.envelopes.observability.telemetry import Telemetry
from mcp_gateway.envelopes.policy.authorize import Authorize, unrestricted
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls
from mcp_gateway.envelopes.policy.limits.rules import Counted
from mcp_gateway.envelopes.safety.metadata.require import RequireMetadata as Contracts
from mcp_gateway.govern import Governance, Guards
from mcp_gateway.models import LIMITED, Served, Standing, budgets_in, request_rules
from mcp_gateway.settings.llm import LlmSettings
from mcp_gateway.settings.models import ModelsSettings
from mcp_gateway.settings.providers import ProviderSettings
from mcp_gateway.settings.settings import Settings

PATIENCE: Final = 3
"""A request as a whole may take so many times as long as one attempt: a target that hangs leaves others time."""


class Completions:
    """What of the plane outlives every snapshot, and makes them. Implements `models.Plane`."""

    __slots__ = ("_healths", "_held", "_kept", "_plans", "_record")

    def __init__(self, held: Standing) -> None:
        """Make it inside the running loop."""
        self._held = held
        self._plans = Plans(Registry(held.allowed, largest=held.largest))
        self._healths = Healths()
        self._kept = Kept()
        self._record = Record(held.records)

    def app(
        self,
        live: Live[Served | None],
        doors: Doors,
        limits: JsonLimits,
        body: int,
        report: Report,
        refused: Refusals,
    ) -> App:
        return Plane(cast(Live[Snapshot | None], live), doors, Limits(body, limits), report, refused)

    def keep(self, served: Served | None) -> None:
        self._plans.keep(served.providers if isinstance(served, Snapshot) else ())

    async def close(self) -> None:
        await self._plans.close()

    def snapshot(
        self,
        llm: LlmSettings,
        settings: Settings,
        governance: Governance | None,
        guards: Guards | None,
        contracts: Contracts,
        version: str,
        telemetry: Telemetry,
    ) -> Snapshot:
        held = self._held
        models = llm.models
        plan = self._plans.of(llm)
        cache = models.defaults.cache
        budgets = budgets_in(settings, held)
        decide = None if governance is None else _decide(governance)
        authorize: Authorize[Ask] = Authorize(unrestricted) if decide is None else Authorize(decide)
        rules = request_rules(settings)
        families = {name: provider.type for name, provider in models.providers.items()}
        handler = pipeline(
            observe=Observe(self._record, telemetry.measures, telemetry.tracer, families, telemetry.detail),
            require_metadata=RequireMetadata(contracts.settle),
            limit_requests=LimitCalls({LIMITED: rules}, held.pools, held.limit_tallies, _counted) if rules else None,
            authorize=authorize,
            guard=None if guards is None else _guard(guards, authorize),
            cache=CacheAnswers(self._kept, ttl=cache.ttl, most=cache.max_entries) if cache.enabled else None,
            answer=Complete(
                plan, self._healths, budgets, _nowhere if held.ledger is None else EnterAttempts(held.ledger)
            ),
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
            resource=ProtectedResource.of(
                held.base_url, PATH, name="Models", documented=bool(settings.identity.issuers)
            ),
        )


def _decide(governance: Governance) -> DecideByPolicy:
    return DecideByPolicy(governance.engine, governance.note, audit=governance.audit)


def _guard(guards: Guards, authorize: Authorize[Ask]) -> Guard:
    asked = {name: _decide(governance) for name, governance in guards.governances.items()}

    def permits(guardrail: str, ask: Ask) -> bool:
        return asked[guardrail].permits(ask)

    return Guard(guards.rulebook, guards.engine, authorize, permits, parallel=guards.parallel)


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
