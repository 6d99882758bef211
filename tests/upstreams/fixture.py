"""What the SDK-based test servers are made of: tables of tools, prompts and resources, and the server over them.

A body receives a `Call` and is written once for both protocol eras: `Call.ask` returns an `input_required` result to a
2026-07-28 client and pushes real requests to a handshake-era one. Change notices likewise reach listen streams (new
era) and every initialised session (old era).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourcesListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.message import ServerMessageMetadata
from mcp_types import (
    CallToolResult,
    ContentBlock,
    CreateMessageRequest,
    CreateMessageResult,
    ElicitRequest,
    ElicitResult,
    GetPromptResult,
    InputRequest,
    InputRequiredResult,
    InputResponse,
    ListRootsRequest,
    ListRootsResult,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    Prompt,
    Resource,
    ResourceTemplate,
    TextContent,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"


class WideServer(Server[Any]):
    """The SDK's server, except that it tells handshake-era clients that its lists change."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        changing = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(
            notification_options or changing, experimental_capabilities, extensions
        )


@dataclass(slots=True)
class Audience:
    """Who hears of changes: listen streams by the bus, handshake-era sessions one by one."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    sessions: dict[str, ServerSession] = field(default_factory=dict)
    subscriptions: dict[str, set[str]] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)

    async def publish(self, event: ServerEvent) -> None:
        """Tell everybody; a session that is gone is forgotten."""
        await self.bus.publish(event)
        for key, session in list(self.sessions.items()):
            try:
                await self._notify(key, session, event)
            except Exception:  # the peer of that session went away: no other session may suffer for it
                self.forget(key)

    async def _notify(self, key: str, session: ServerSession, event: ServerEvent) -> None:
        if isinstance(event, ToolsListChanged):
            await session.send_tool_list_changed()
        elif isinstance(event, PromptsListChanged):
            await session.send_prompt_list_changed()
        elif isinstance(event, ResourcesListChanged):
            await session.send_resource_list_changed()
        elif event.uri in self.subscriptions.get(key, ()):
            await session.send_resource_updated(event.uri)

    def forget(self, key: str) -> None:
        self.sessions.pop(key, None)
        self.subscriptions.pop(key, None)
        self.levels.pop(key, None)


def session_key(ctx: ServerRequestContext[Any, Any]) -> str:
    """The handshake-era session of a request; stdio has one without a name."""
    headers = getattr(ctx.request, "headers", None)
    return str(headers.get("mcp-session-id", "")) if headers is not None else ""


@dataclass(frozen=True, slots=True)
class Call:
    """One tools/call, prompts/get or resources/read as a body sees it."""

    ctx: ServerRequestContext[Any, Any]
    arguments: Mapping[str, Any]
    responses: Mapping[str, InputResponse]
    state: str | None
    audience: Audience

    @property
    def modern(self) -> bool:
        return self.ctx.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def progress(self, done: float, total: float, message: str) -> None:
        await self.ctx.session.report_progress(done, total, message)

    async def log(self, level: str, data: Any) -> None:
        """Log on this request's stream, if its client asked for logs of this level."""
        if self.modern:
            wanted = (self.ctx.meta or {}).get(LOG_LEVEL_KEY)
        else:
            wanted = self.audience.levels.get(session_key(self.ctx), "debug")
        if not isinstance(wanted, str) or LEVELS.index(level) < LEVELS.index(wanted):
            return
        params = LoggingMessageNotificationParams.model_validate({"level": level, "logger": "fixture", "data": data})
        await self.ctx.session.send_notification(
            LoggingMessageNotification(params=params), related_request_id=self.ctx.request_id
        )

    async def ask(
        self, requests: Mapping[str, InputRequest], *, state: str | None = None
    ) -> Mapping[str, InputResponse] | InputRequiredResult:
        """The client's answers to all `requests`, or what to return so that it comes back with them."""
        if all(key in self.responses for key in requests):
            return self.responses
        if self.modern:
            return InputRequiredResult(input_requests=dict(requests), request_state=state)
        return {key: await self._push(request) for key, request in requests.items()}

    async def _push(self, request: InputRequest) -> InputResponse:
        metadata = ServerMessageMetadata(related_request_id=self.ctx.request_id)
        session = self.ctx.session
        match request:
            case ElicitRequest():
                return await session.send_request(request, ElicitResult, metadata=metadata)
            case CreateMessageRequest():
                return await session.send_request(request, CreateMessageResult, metadata=metadata)
            case ListRootsRequest():
                return await session.send_request(request, ListRootsResult, metadata=metadata)


ToolBody = Callable[[Call], Awaitable[CallToolResult | InputRequiredResult]]
PromptBody = Callable[[Call], Awaitable[GetPromptResult | InputRequiredResult]]
ReadBody = Callable[[Mapping[str, str]], str | bytes]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    tool: Tool
    body: ToolBody


@dataclass(frozen=True, slots=True)
class PromptSpec:
    prompt: Prompt
    body: PromptBody


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    resource: Resource
    read: ReadBody


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """`pattern` is the template with named groups, matched against the whole URI."""

    template: ResourceTemplate
    pattern: str
    read: ReadBody


@dataclass(slots=True)
class Offer:
    """Everything a fixture server offers. The tables may change while it runs: publish the change as well."""

    tools: dict[str, ToolSpec] = field(default_factory=dict)
    prompts: dict[str, PromptSpec] = field(default_factory=dict)
    resources: dict[str, ResourceSpec] = field(default_factory=dict)
    templates: list[TemplateSpec] = field(default_factory=list)
    audience: Audience = field(default_factory=Audience)
    completions: Callable[[str, str, str], list[str]] = lambda ref, argument, value: []


def object_schema(properties: Mapping[str, Any] | None = None, *required: str) -> dict[str, Any]:
    """An object schema; without properties it takes no arguments."""
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties or {})}
    if required:
        schema["required"] = list(required)
    return schema


def tool(name: str, description: str, body: ToolBody, schema: dict[str, Any] | None = None, **more: Any) -> ToolSpec:
    """A table row; `more` are further fields of the SDK's `Tool`."""
    definition = Tool(name=name, description=description, input_schema=schema or object_schema(), **more)
    return ToolSpec(definition, body)


def content(*blocks: ContentBlock, structured: Any = None, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=list(blocks), structured_content=structured, is_error=is_error)


def text(value: str, *, structured: Any = None, is_error: bool = False) -> CallToolResult:
    return content(TextContent(type="text", text=value), structured=structured, is_error=is_error)
