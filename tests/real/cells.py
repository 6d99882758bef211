"""What a client of one era does through the gateway with an upstream of another: one function per row of the table.

Each returns one word or two for what happened: "works", or how it failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    PromptReference,
    Root,
    TextContent,
)
from pydantic import BaseModel, FileUrl

from tests.real.processes import until
from tests.real.strange import RESULT, TOOL, Strange
from tests.real.wire import Wire

WORKS = "works"
LONG = 20.0
"""Seconds within which anything has ended one way or another."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`url` leads through the gateway, `direct` to the upstream itself; eras are "modern" and "legacy"."""

    client: str
    upstream: str
    url: str
    direct: str
    odd_url: str
    odd: Strange
    journal: Path

    @property
    def modern(self) -> bool:
        return self.client == "modern"

    def journaled(self, *words: str) -> bool:
        return " ".join(words) in self.journal.read_text().splitlines()


async def elicit(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={"name": "Ada"})


async def sample(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="Paris"), model="scripted")


async def roots(context: ClientRequestContext) -> ListRootsResult:
    return ListRootsResult(roots=[Root(uri=FileUrl("file:///work"))])


def client_of(url: str, era: str, **more: Any) -> Client:
    """A client on the official SDK, pinned to an era."""
    return Client(url, mode="2026-07-28" if era == "modern" else "legacy", **more)


@contextlib.asynccontextmanager
async def both(cell: Cell) -> AsyncIterator[tuple[Client, Client]]:
    """A client through the gateway, and one that talks to the upstream in the upstream's own era."""
    async with client_of(cell.url, cell.client) as through, client_of(cell.direct, cell.upstream) as direct:
        yield through, direct


@contextlib.asynccontextmanager
async def wire(cell: Cell, url: str) -> AsyncIterator[Wire]:
    async with httpx.AsyncClient(timeout=LONG) as http:
        raw = Wire(http, url, modern=cell.modern)
        if not cell.modern:
            await raw.initialize()
        yield raw


def shape(answer: BaseModel) -> Any:
    """What an answer says, without what belongs to the hop: who answered, and for how long it may be kept."""
    dumped = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in dumped.items() if key not in ("_meta", "resultType", "ttlMs", "cacheScope")}


def said(same: bool) -> str:
    return WORKS if same else "differs"


async def lists(cell: Cell) -> str:
    async with both(cell) as (through, direct):
        pairs = [
            (await through.list_tools(), await direct.list_tools()),
            (await through.list_prompts(), await direct.list_prompts()),
            (await through.list_resources(), await direct.list_resources()),
            (await through.list_resource_templates(), await direct.list_resource_templates()),
        ]
    return said(all(shape(ours) == shape(theirs) for ours, theirs in pairs))


async def calls(cell: Cell) -> str:
    tools = ("simple_text", "image_content", "audio_content", "embedded_resource", "multiple_content_types")
    async with both(cell) as (through, direct):
        for name in (*(f"test_{tool}" for tool in tools), "test_error_handling"):
            if shape(await through.call_tool(name, {})) != shape(await direct.call_tool(name, {})):
                return f"{name} differs"
        mirrored = await through.call_tool("test_x_mcp_header", {"region": "é west"})
        structured = await through.call_tool("mark", {"token": uuid.uuid4().hex})
    return said(
        mirrored.content == [TextContent(type="text", text="region=é west")] and bool(structured.structured_content)
    )


async def prompts(cell: Cell) -> str:
    asked: list[tuple[str, dict[str, str]]] = [
        ("test_simple_prompt", {}),
        ("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"}),
        ("test_prompt_with_embedded_resource", {"resourceUri": "test://x"}),
        ("test_prompt_with_image", {}),
    ]
    async with both(cell) as (through, direct):
        for name, given in asked:
            if shape(await through.get_prompt(name, given)) != shape(await direct.get_prompt(name, given)):
                return f"{name} differs"
    return WORKS


async def resources(cell: Cell) -> str:
    async with both(cell) as (through, direct):
        for uri in ("test://static-text", "test://static-binary", "test://template/7/data"):
            if shape(await through.read_resource(uri)) != shape(await direct.read_resource(uri)):
                return f"{uri} differs"
    return WORKS


async def completion(cell: Cell) -> str:
    ref = PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
    async with client_of(cell.url, cell.client) as client:
        answer = await client.complete(ref, {"name": "arg1", "value": "par"})
    return said(answer.completion.values == ["paris", "park", "party"])


async def progress(cell: Cell) -> str:
    steps: list[float] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with client_of(cell.url, cell.client) as client:
        await client.call_tool("test_tool_with_progress", {}, progress_callback=step)
        await until("all progress", lambda: len(steps) >= 3)
    return said(steps == [0, 50, 100])


async def logging(cell: Cell) -> str:
    """Messages of the level asked for and above, of one's own call only."""
    heard: list[str] = []

    async def log(params: Any) -> None:
        heard.append(params.level)

    async with (
        client_of(cell.url, cell.client, logging_callback=log, log_level="warning") as client,
        client_of(cell.url, cell.client) as other,
    ):
        if not cell.modern:
            await client.set_logging_level("warning")
            await other.set_logging_level("emergency")
        await client.call_tool("test_logging_tool", {})
        await other.call_tool("test_logging_tool", {})
        await until("the logs", lambda: len(heard) >= 2)
    return said(heard == ["warning", "error"])


async def cancellation(cell: Cell) -> str:
    token = uuid.uuid4().hex
    async with client_of(cell.url, cell.client) as client:
        call = asyncio.create_task(client.call_tool("hold", {"token": token}))
        await until("the call to begin", lambda: cell.journaled("begun", token))
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await until("the upstream to hear of it", lambda: cell.journaled("cancelled", token))
        after = await client.call_tool("test_simple_text", {})
    return said(not after.is_error)


async def hanging_up(cell: Cell) -> str:
    """Closing the response cancels in the new era and does not in the old."""
    token = uuid.uuid4().hex
    arguments = {"token": token, "milliseconds": 700}
    async with wire(cell, cell.url) as raw:
        asking = asyncio.create_task(raw.call("hold", arguments))
        await until("the call to begin", lambda: cell.journaled("begun", token))
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        ends = ("cancelled", "ended")
        await until("an end", lambda: any(cell.journaled(end, token) for end in ends))
    return "cancels" if cell.journaled("cancelled", token) else "runs on"


async def list_changes(cell: Cell) -> str:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(getattr(message, "method", ""))

    async with client_of(cell.url, cell.client, message_handler=hear) as client:
        if cell.modern:
            async with client.listen(tools_list_changed=True, prompts_list_changed=True) as changes:
                await client.call_tool("test_trigger_tool_change", {})
                await client.call_tool("test_trigger_prompt_change", {})
                kinds = {type(await anext(changes)).__name__, type(await anext(changes)).__name__}
            return said(kinds == {"ToolsListChanged", "PromptsListChanged"})
        wanted = {"notifications/tools/list_changed", "notifications/prompts/list_changed"}

        async def told() -> bool:
            # Asked again until heard: the stream that carries it opens after the handshake, on its own.
            await client.call_tool("test_trigger_tool_change", {})
            await client.call_tool("test_trigger_prompt_change", {})
            return wanted <= set(heard)

        await until("both changes", told)
    return WORKS


async def updates(cell: Cell) -> str:
    uri = "test://watched-resource"
    heard: list[str] = []

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.append(str(message.params.uri))

    async with client_of(cell.url, cell.client, message_handler=hear) as client:
        if cell.modern:
            async with client.listen(resource_subscriptions=[uri]) as changes:
                await client.call_tool("touch", {"uri": "test://static-text"})
                await client.call_tool("touch", {"uri": uri})
                return said(str(getattr(await anext(changes), "uri", "")) == uri)
        await client.subscribe_resource(uri)

        async def told() -> bool:
            await client.call_tool("touch", {"uri": "test://static-text"})
            await client.call_tool("touch", {"uri": uri})
            return bool(heard)

        await until("the update", told)
        await client.unsubscribe_resource(uri)
    return said(set(heard) == {uri})


async def _code(work: Awaitable[Any]) -> tuple[int, Any]:
    try:
        await work
    except MCPError as error:
        return error.error.code, error.error.data
    return 0, None


async def error_codes(cell: Cell) -> str:
    """Unknown names are -32602, unknown resources -32602 or, in the old era, -32002; an upstream's own code stays."""
    async with client_of(cell.url, cell.client) as client:
        unknown = [
            await _code(client.call_tool("no_such_tool", {})),
            await _code(client.get_prompt("no_such_prompt")),
            await _code(client.get_prompt("test_prompt_with_arguments", {"arg1": "only"})),
        ]
        resource = await _code(client.read_resource("test://nowhere"))
        own = await _code(client.call_tool("refuse", {}))
    fine = all(code == -32602 for code, _ in unknown) and resource[0] in (
        (-32602,) if cell.modern else (-32602, -32002)
    )
    return said(fine and own == (4242, {"hint": ["kept", None]}))


async def missing_capability(cell: Cell) -> str:
    async with client_of(cell.url, cell.client) as client:
        code, data = await _code(client.call_tool("test_missing_capability", {}))
    return f"error {code}" if (data or {}).get("requiredCapabilities") == {"sampling": {}} else f"bare error {code}"


async def unknown_fields(cell: Cell) -> str:
    """What no schema names survives both ways, byte for byte where it is a value."""
    before = len(cell.odd.calls())
    meta = {"vendor.example/call": {"n": [1]}, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with wire(cell, cell.odd_url) as raw:
        tools = (await raw.ask("tools/list", {})).result["tools"]
        result = (await raw.call("wonder", {"a": "\u2028", "more": {"z": 1, "a": None}}, meta)).result
    arrived = cell.odd.calls()[before:]
    for key in ("resultType",):
        result.pop(key, None)
    result["_meta"] = {key: value for key, value in result["_meta"].items() if key.startswith("vendor.")}
    listed = tools == [TOOL] and list(tools[0]["inputSchema"]) == list(TOOL["inputSchema"])
    sent = len(arrived) == 1 and arrived[0]["arguments"] == {"a": "\u2028", "more": {"z": 1, "a": None}}
    kept = sent and meta.items() <= arrived[0]["_meta"].items()
    return said(listed and sent and kept and result == RESULT)


async def hints(cell: Cell) -> str:
    """Caching hints are there in the new era and not in the old."""
    async with wire(cell, cell.odd_url) as raw:
        result = (await raw.ask("tools/list", {})).result
    return "given" if {"ttlMs", "cacheScope", "resultType"} <= result.keys() else "left out"


def asking(tool: str, expected: str) -> Callable[[Cell], Awaitable[str]]:
    """The row of a tool that asks its client."""

    async def row(cell: Cell) -> str:
        async with client_of(
            cell.url, cell.client, elicitation_callback=elicit, sampling_callback=sample, list_roots_callback=roots
        ) as client:
            try:
                async with asyncio.timeout(LONG):
                    result = await client.call_tool(f"test_input_required_result_{tool}", {})
            except MCPError as error:
                clear = any(word in error.error.message for word in ("declare", "does not answer"))
                return f"error {error.error.code}" if clear else error.error.message
            after = await client.call_tool("test_simple_text", {})
        block = result.content[0]
        assert isinstance(block, TextContent) and not after.is_error
        if result.is_error:
            return "tool error"
        return said(expected in block.text)

    return row
