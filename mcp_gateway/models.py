"""What the gateway knows of the LLM plane without loading it: its limits and budgets, and where it stands.

The plane itself is `completions.py`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal, Protocol

from mcp_gateway.core import strictjson
from mcp_gateway.core.asgi import respond
from mcp_gateway.core.asgi.types import REQUEST_ID, App, Receive, Scope, Send
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable, Problem
from mcp_gateway.core.live import Live
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.envelopes.observability.metrics.measures import LLM
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.envelopes.observability.telemetry import Telemetry
from mcp_gateway.envelopes.policy.budgets.alerts import Alerts
from mcp_gateway.envelopes.policy.budgets.at import budgets_at
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.restore import restore
from mcp_gateway.envelopes.policy.budgets.rules import Budget
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.budgets.spent import SpentInDatabase
from mcp_gateway.envelopes.policy.limits.limit import LimitTallies
from mcp_gateway.envelopes.policy.limits.pools import Pools
from mcp_gateway.envelopes.policy.limits.rules import Rule
from mcp_gateway.envelopes.safety.metadata.require import RequireMetadata as Contracts
from mcp_gateway.govern import Governance, Guards
from mcp_gateway.settings.llm import LlmSettings
from mcp_gateway.settings.llm_budgets import ModelRateLimitSettings
from mcp_gateway.settings.models import ModelsSettings
from mcp_gateway.settings.settings import Settings

_PLANE: Final = "mcp_gateway.completions"

LIMITED: Final = "/v1"
"""Under this name the limits of the LLM plane stand beside those of virtual servers, none of which can be called so."""


class Served(Protocol):
    """One compiled state of the plane."""

    @property
    def models(self) -> Sequence[str]: ...


class Plane(Protocol):
    """The plane; `completions.Completions` is the real one."""

    def snapshot(
        self,
        llm: LlmSettings,
        settings: Settings,
        governance: Governance | None,
        guards: Guards | None,
        contracts: Contracts,
        version: str,
        telemetry: Telemetry,
    ) -> Served:
        """The plane as `settings` have it. Raises `ConfigurationError`."""
        ...

    def app(
        self, live: Live[Served | None], doors: Any, limits: JsonLimits, body: int, report: Any, refused: Refusals
    ) -> App:
        """The ASGI app for `/v1`. `body` is the most bytes that a request's may have; `refused` is told of those that
        no pipeline sees."""
        ...

    def keep(self, served: Served | None) -> None:
        """This is in force now. What only others needed ends with its last request."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What outlives every snapshot of the plane. `largest` is how many bytes an answer may have that is read whole."""

    allowed: Allowed
    largest: int
    settling: Settling
    alerts: Alerts
    pools: Pools
    records: LineSink
    base_url: str
    limit_tallies: LimitTallies = field(default_factory=LimitTallies)
    ledger: Ledger | None = None
    loaded: list[Plane] = field(default_factory=list)

    @property
    def plane(self) -> Plane:
        """The plane, loaded when it is first asked for. Inside the running loop."""
        if not self.loaded:
            self.loaded.append(import_module(_PLANE).Completions(self))
        return self.loaded[0]

    async def close(self) -> None:
        """Let go of connections."""
        for plane in self.loaded:
            await plane.close()
        await self.settling.close()
        await self.alerts.close()


def standing(
    settings: Settings, allowed: Allowed, records: LineSink, pools: Pools, base_url: str, ledger: Ledger | None = None
) -> Standing:
    """What the plane of a gateway starts with. Call it inside the running loop."""
    alerts = Alerts(allowed)
    return Standing(
        allowed=allowed,
        largest=settings.limits.response,
        settling=Settling(budgets_at(settings.state.redis, tenant=settings.state.tenant), alert=alerts),
        alerts=alerts,
        pools=pools,
        records=records,
        base_url=base_url,
        ledger=ledger,
    )


class Caps(Protocol):
    """Of one request: its JSON, and how many bytes it has at most."""

    @property
    def json(self) -> JsonLimits: ...
    @property
    def body(self) -> int: ...


class ModelsApp:
    """The ASGI app for `/v1`, whether there are models or not."""

    __slots__ = ("_app", "_caps", "_doors", "_held", "_live", "_refused", "_report")

    def __init__(
        self, live: Live[Served | None], held: Standing, doors: Any, caps: Caps, report: Any, refused: Refusals
    ) -> None:
        self._refused = refused
        self._live = live
        self._held = held
        self._doors = doors
        self._caps = caps
        self._report = report
        self._app: App | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._live.current is None:
            request_id: str = scope[REQUEST_ID]
            timing = (b"server-timing", b"gateway;dur=0, upstream;dur=0")
            headers = ((b"x-request-id", request_id.encode()), timing)
            self._refused(LLM, scope, request_id, "not_found", 404)
            return respond.respond_json(send, 404, _NO_MODELS, headers)
        if self._app is None:
            caps, told = self._caps, (self._report, self._refused)
            self._app = self._held.plane.app(self._live, self._doors, caps.json, caps.body, *told)
        return self._app(scope, receive, send)


_NO_MODELS: Final = strictjson.dumps(
    {
        "error": {
            "message": "no models are configured here",
            "type": "not_found_error",
            "param": None,
            "code": "not_found",
        }
    }
)


def swap(live: Live[Served | None], fresh: Served | None, held: Standing) -> None:
    """Put `fresh` in force. What only the one before needed ends with its last request."""
    live.swap(fresh)
    for plane in held.loaded:
        plane.keep(fresh)


def snapshot(
    settings: Settings,
    held: Standing,
    governance: Governance | None,
    guards: Guards | None,
    contracts: Contracts,
    version: str,
    telemetry: Telemetry,
) -> Served | None:
    """The plane as `settings` have it; None without one. Raises `ConfigurationError`."""
    if settings.llm is None:
        return None
    return held.plane.snapshot(settings.llm, settings, governance, guards, contracts, version, telemetry)


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
        if held.ledger is not None:
            # A process that was killed left entries that are not in the database yet, and were spent all the same.
            await held.ledger.settled()
        await restore(budgets, SpentInDatabase(database, tenant=settings.state.tenant), int(time.time()))
    except IdentityUnavailable:
        told = "the ledger cannot be read, and without it budgets do not know what is spent already"
        raise ConfigurationError([Problem("state.database", 0, 0, told)]) from None


def budgets_of(models: ModelsSettings) -> Sequence[Budget]:
    """The budgets, and those limits that count tokens: they too are held back before anybody knows."""
    tokens = [each for each in models.rate_limits if each.unit.startswith("tokens_per_")]
    return [*(Budget.of(each) for each in models.budgets), *(Budget.of(_Tokens(each), rate=True) for each in tokens)]


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
