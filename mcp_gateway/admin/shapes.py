"""What the control plane answers, as models: the OpenAPI document is made of them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Shape(BaseModel):
    """What is not described passes all the same: a newer gateway may tell more."""

    model_config = ConfigDict(extra="allow")


class Problem(Shape):
    detail: str
    reason: str | None = None


class Listed(BaseModel, Generic[T]):
    """A page of a list. There may be more though `items` are few or none: `next` says so."""

    items: list[T]
    next: str | None = Field(description="What to give as `cursor` for the next page; null at the end.")


class Alive(Shape):
    status: str


class Ready(Shape):
    ready: bool
    detail: str


class ReloadOutcome(Shape):
    ok: bool
    snapshot: str = Field(description="The snapshot in force now.")
    problems: list[str] = Field(description="Why the new configuration was refused.")


class Source(Shape):
    """What one source contributes to a virtual server."""

    upstream: str
    available: bool
    error: str | None
    version: str = Field(description="The protocol version that is spoken with the upstream.")
    exposed: dict[str, int] = Field(description="By list, how many of the upstream's are offered.")
    dropped: dict[str, int] = Field(description="By list, how many were left out.")


class Server(Shape):
    name: str
    path: str
    title: str | None
    tools: int
    prompts: int
    resources: int
    templates: int
    sources: list[Source]
    problems: list[str] = Field(description="Why something was left out.")
    in_use: int | None = Field(default=None, description="Calls under way, where their number is limited.")
    waiting: int | None = Field(default=None, description="Calls that wait for a place.")


class Tool(Shape):
    name: str = Field(description="As agents see it.")
    upstream: str
    upstream_name: str = Field(description="The upstream's own name: that of policies, limits and records.")
    title: str | None
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    scopes: list[str]
    tags: list[str]
    cost_usd: float = Field(description="Of one call.")


class Named(Shape):
    name: str
    upstream: str
    upstream_name: str


class ServerDetail(Server):
    """The same with everything that it offers, by name."""

    digest: str
    instructions: str | None
    tool_list: list[Tool]
    prompt_list: list[Named]
    resource_list: list[Named]
    template_list: list[Named]
    quarantined: list[str] = Field(description="Tools that differ from what was accepted, by the names they would have")


class Drift(Shape):
    tool: str
    drift: str
    differences: Any


class Upstream(Shape):
    name: str
    kind: str
    version: str
    available: bool
    error: str | None = Field(description="Why it is not available.")
    since: float = Field(description="Since when it is so, in Unix seconds.")
    sessions: int
    restarts: int
    waits_for_person: bool
    tools: int
    prompts: int
    resources: int
    breaker: str = Field(description="closed, open or half-open.")
    breaker_opened: int = Field(description="How often it opened.")
    failures: int = Field(description="Calls that failed in a row until now.")
    last_error: str | None = Field(description="Why the last call failed that the upstream was to blame for.")
    last_error_at: float | None = Field(description="When that was, in Unix seconds.")
    in_use: int = Field(description="Calls under way.")
    waiting: int = Field(description="Calls that wait for a place.")
    pinning: str
    quarantined: list[Drift]
    drifted: list[Drift]


class Definitions(Shape):
    version: str
    available: bool
    tools: list[dict[str, Any]]


class SnapshotShape(Shape):
    version: str
    configuration: str = Field(description="The digest of the configuration's files.")
    servers: dict[str, str] = Field(description="The digest of each virtual server.")
    notices: list[str]


class ConnectionShape(Shape):
    """An account that a person has connected. No secret in it."""

    principal: str
    upstream: str


class Ended(Shape):
    principal: str
    upstream: str
    revocation: str = Field(description="What the authorization server hears of it: started, done, failed or none.")


class Decision(Shape):
    """What became of one request, in short."""

    request_id: str
    time: str
    plane: str = Field(description="mcp, llm, control, connect (pages for people), or edge.")
    principal: str | None
    agent: str | None
    server: str | None = Field(description="The virtual server, or the dialect of a completion.")
    method: str | None = Field(description="Of MCP; of HTTP where nothing else is known of the request.")
    upstream: str | None
    target: str | None = Field(
        description="The upstream's own name of the tool, or the model that was asked for; else the path."
    )
    outcome: str
    reason: str | None
    decision: str | None = Field(description="What policies said.")
    policies: list[str] = Field(description="The policies that determined it.")
    limit: str | None = Field(description="The limit or budget that refused it.")
    guardrails: list[str] = Field(description="The guardrails that acted.")
    duration_ms: float | None
    upstream_ms: float | None
    cost_usd: float | None
    snapshot: str | None


class Step(Shape):
    about: str
    said: str


class StoryShape(Shape):
    """The whole story of one request, as `mcp-gateway explain --json` tells it."""

    request_id: str
    ended: bool = Field(description="false: what became of it was never recorded.")
    steps: list[Step]
    records: list[dict[str, Any]] = Field(description="The records that tell it; bodies for admins only.")


class Refused(Shape):
    """Refusals that have the same in common."""

    keys: dict[str, str | None]
    count: int
    last: str = Field(description="When the last of them was.")
    request_id: str = Field(description="The last of them; see /api/decisions/{request_id}.")


class Refusals(Listed[Refused]):
    total: int = Field(description="All refusals that were found.")
    since: str
    until: str | None
    complete: bool = Field(description="false: there was more in that time than is looked at; `reached` says how far.")
    reached: str | None = Field(description="The time of the oldest refusal that was looked at.")


class Used(Shape):
    keys: dict[str, str | None]
    requests: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced: int = Field(description="Attempts of which the price is not known: counted as nothing.")


class UsedTotal(Shape):
    requests: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced: int


class Usage(Listed[Used]):
    """The same numbers as `mcp-gateway usage`."""

    by: list[str]
    since: str
    until: str | None
    total: UsedTotal
