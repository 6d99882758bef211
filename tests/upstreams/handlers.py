"""The SDK's request handlers over an `Offer`: look up, run the body, answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    InputResponseRequestParams,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from tests.upstreams.fixture import Call, Offer, WideServer, session_key, text

Ctx = ServerRequestContext[Any, Any]


class Handlers:
    """One per server. Unknown names are -32602, a body that raises is a result with `isError`."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def input_schema(self, name: str) -> dict[str, Any] | None:
        spec = self._offer.tools.get(name)
        return spec.tool.input_schema if spec is not None else None

    async def list_tools(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[spec.tool for spec in self._offer.tools.values()])

    async def call_tool(self, ctx: Ctx, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        spec = self._offer.tools.get(params.name)
        if spec is None:
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {params.name}")
        try:
            return await spec.body(self._call(ctx, params, params.arguments))
        except MCPError:
            raise
        except Exception as error:  # a tool that failed is a result, not a protocol error
            return text(str(error), is_error=True)

    async def list_prompts(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(prompts=[spec.prompt for spec in self._offer.prompts.values()])

    async def get_prompt(self, ctx: Ctx, params: GetPromptRequestParams) -> GetPromptResult | InputRequiredResult:
        spec = self._offer.prompts.get(params.name)
        if spec is None:
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown prompt: {params.name}")
        given = params.arguments or {}
        missing = [a.name for a in spec.prompt.arguments or () if a.required and a.name not in given]
        if missing:
            raise MCPError(code=INVALID_PARAMS, message=f"Missing arguments: {', '.join(missing)}")
        return await spec.body(self._call(ctx, params, given))

    async def list_resources(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=[spec.resource for spec in self._offer.resources.values()])

    async def list_templates(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=[spec.template for spec in self._offer.templates])

    async def read_resource(self, ctx: Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = params.uri
        found = self._offer.resources.get(uri)
        if found is not None:
            return _contents(uri, found.resource.mime_type, found.read({}))
        for spec in self._offer.templates:
            matched = re.fullmatch(spec.pattern, uri)
            if matched is not None:
                return _contents(uri, spec.template.mime_type, spec.read(matched.groupdict()))
        raise MCPError(code=INVALID_PARAMS, message="Resource not found", data={"uri": uri})

    async def subscribe(self, ctx: Ctx, params: SubscribeRequestParams) -> EmptyResult:
        self._offer.audience.subscriptions.setdefault(session_key(ctx), set()).add(params.uri)
        return EmptyResult()

    async def unsubscribe(self, ctx: Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        self._offer.audience.subscriptions.get(session_key(ctx), set()).discard(params.uri)
        return EmptyResult()

    async def complete(self, ctx: Ctx, params: CompleteRequestParams) -> CompleteResult:
        ref = params.ref.name if isinstance(params.ref, PromptReference) else params.ref.uri
        values = self._offer.completions(ref, params.argument.name, params.argument.value)
        return CompleteResult(completion=Completion(values=values, total=len(values), has_more=False))

    def add_logging(self, server: WideServer) -> None:
        """Registered by hand: the constructor's argument for it warns of the method's deprecation."""

        async def set_level(ctx: Ctx, params: SetLevelRequestParams) -> EmptyResult:
            self._offer.audience.levels[session_key(ctx)] = params.level
            return EmptyResult()

        server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)

    def _call(self, ctx: Ctx, params: InputResponseRequestParams, arguments: Mapping[str, Any] | None) -> Call:
        return Call(ctx, arguments or {}, params.input_responses or {}, params.request_state, self._offer.audience)


def _contents(uri: str, mime_type: str | None, body: str | bytes) -> ReadResourceResult:
    if isinstance(body, bytes):
        blob = base64.b64encode(body).decode()
        return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type=mime_type, blob=blob)])
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=mime_type, text=body)])
