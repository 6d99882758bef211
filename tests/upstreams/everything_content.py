"""The everything server's tools that answer by themselves: content of every kind, progress, logs, schemas, changes."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from typing import Any

from mcp.server.subscriptions import PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

from tests.upstreams.fixture import Call, ToolSpec, content, object_schema, text, tool

STEP = 0.05
"""Seconds between notifications of one call; the conformance suite asks for about 50 ms."""

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def png() -> bytes:
    """A red 1x1 PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def wav() -> bytes:
    """Eight silent samples, 8 kHz mono PCM."""
    samples = b"\x80" * 8
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def image_block() -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(png()).decode(), mime_type="image/png")


def text_resource(uri: str, mime_type: str, body: str) -> EmbeddedResource:
    resource = TextResourceContents(uri=uri, mime_type=mime_type, text=body)
    return EmbeddedResource(type="resource", resource=resource)


async def simple_text(call: Call) -> CallToolResult:
    return text("This is a simple text response for testing.")


async def image(call: Call) -> CallToolResult:
    return content(image_block())


async def audio(call: Call) -> CallToolResult:
    return content(AudioContent(type="audio", data=base64.b64encode(wav()).decode(), mime_type="audio/wav"))


async def embedded(call: Call) -> CallToolResult:
    return content(text_resource("test://embedded-resource", "text/plain", "This is an embedded resource content."))


async def mixed(call: Call) -> CallToolResult:
    return content(
        TextContent(type="text", text="Multiple content types test:"),
        image_block(),
        text_resource("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'),
    )


async def failing(call: Call) -> CallToolResult:
    return text("This tool intentionally returns an error for testing", is_error=True)


async def with_progress(call: Call) -> CallToolResult:
    for step in (0, 50, 100):
        if step:
            await asyncio.sleep(STEP)
        await call.progress(step, 100, f"Completed step {step} of 100")
    return text("Progress complete")


async def with_logging(call: Call) -> CallToolResult:
    for index, message in enumerate(("Tool execution started", "Tool processing data", "Tool execution completed")):
        if index:
            await asyncio.sleep(STEP)
        await call.log("info", message)
    return text("Tool with logging executed successfully")


async def logging_tool(call: Call) -> CallToolResult:
    for level in ("debug", "info", "warning", "error"):
        await call.log(level, f"a message of level {level}")
    return text("Logged at four levels")


async def schema_tool(call: Call) -> CallToolResult:
    return text(f"Received {sorted(call.arguments)}")


async def region_tool(call: Call) -> CallToolResult:
    return text(f"region={call.arguments.get('region')}")


async def needs_sampling(call: Call) -> CallToolResult:
    declared = call.ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool requires the client's sampling capability",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return text("The client declared sampling")


async def reconnection(call: Call) -> CallToolResult:
    """Closes the response stream under the client (handshake era), so that it has to resume to see the answer."""
    await call.log("info", "Before disconnect")
    if call.ctx.close_sse_stream is not None:
        await call.ctx.close_sse_stream()
    await asyncio.sleep(4 * STEP)
    await call.log("info", "After reconnect")
    return text("Reconnection test completed")


async def trigger_tool_change(call: Call) -> CallToolResult:
    await call.audience.publish(ToolsListChanged())
    return text("tool list changed")


async def trigger_prompt_change(call: Call) -> CallToolResult:
    await call.audience.publish(PromptsListChanged())
    return text("prompt list changed")


def content_tools() -> list[ToolSpec]:
    region = {"type": "string", "description": "Mirrored into Mcp-Param-Region", "x-mcp-header": "Region"}
    return [
        tool("test_simple_text", "Returns one text block", simple_text),
        tool("test_image_content", "Returns one PNG image", image),
        tool("test_audio_content", "Returns one WAV recording", audio),
        tool("test_embedded_resource", "Returns one embedded resource", embedded),
        tool("test_multiple_content_types", "Returns text, an image and a resource", mixed),
        tool("test_error_handling", "Always fails", failing),
        tool("test_tool_with_progress", "Reports progress three times", with_progress),
        tool("test_tool_with_logging", "Logs three messages while it runs", with_logging),
        tool("test_logging_tool", "Logs one message of each of four levels", logging_tool),
        tool("json_schema_2020_12_tool", "Has a schema of many 2020-12 keywords", schema_tool, SCHEMA_2020_12),
        tool("test_x_mcp_header", "Mirrors an argument in a header", region_tool, object_schema({"region": region})),
        tool("test_missing_capability", "Works for clients that can sample", needs_sampling),
        tool("test_reconnection", "Drops the stream in the middle of the call", reconnection),
        tool("test_trigger_tool_change", "Announces a change of the tool list", trigger_tool_change),
        tool("test_trigger_prompt_change", "Announces a change of the prompt list", trigger_prompt_change),
    ]
