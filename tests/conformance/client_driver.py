"""The suite's "client under test": a gateway in front of the suite's mock server, and a client that calls through it.

The suite starts `python -m tests.conformance.client_driver URL` with the scenario and the revision in the environment.
With `CONFORMANCE_DIRECT=1` the client talks to the mock server itself, which shows what the driver alone achieves.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    TextContent,
)

from tests.conformance import auth_driver
from tests.conformance.suite import HANDSHAKE, MODERN
from tests.conformance.systems import gateway

INVALID_TOOLS = (
    "invalid_empty_header",
    "invalid_object_header",
    "invalid_array_header",
    "invalid_null_header",
    "invalid_duplicate_same_case",
    "invalid_duplicate_diff_case",
    "invalid_space_in_name",
    "invalid_colon_in_name",
    "invalid_non_ascii_name",
    "invalid_control_char_name",
)
EXAMPLES: dict[str, Any] = {"string": "x", "integer": 1, "number": 1, "boolean": True, "object": {}, "array": []}


async def elicit(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Accepts with the schema's defaults; a boolean without one is confirmed."""
    answer: dict[str, Any] = {}
    if isinstance(params, ElicitRequestFormParams):
        for name, schema in params.requested_schema.get("properties", {}).items():
            if "default" in schema:
                answer[name] = schema["default"]
            elif schema.get("type") == "boolean":
                answer[name] = True
    return ElicitResult(action="accept", content=answer)


async def sample(context: ClientRequestContext, params: CreateMessageRequestParams) -> CreateMessageResult:
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="Paris"), model="scripted")


async def roots(context: ClientRequestContext) -> ListRootsResult:
    return ListRootsResult(roots=[])


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """The smallest arguments that a tool's schema accepts."""
    properties = schema.get("properties", {})
    return {name: EXAMPLES.get(properties.get(name, {}).get("type")) for name in schema.get("required", ())}


async def list_only(client: Client) -> None:
    await client.list_tools()


async def call_every_tool(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, example(tool.input_schema))


async def use_every_feature(client: Client) -> None:
    await call_every_tool(client)
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def call_given_tools(client: Client) -> None:
    """Calls with the suite's arguments; a null that is refused because the schema does not allow it is left out."""
    await client.list_tools()
    for given in json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])["toolCalls"]:
        name, arguments = given["name"], given["arguments"]
        try:
            refused = (await client.call_tool(name, arguments)).is_error
        except MCPError:
            refused = True
        if refused:
            await client.call_tool(name, {k: v for k, v in arguments.items() if v is not None})


async def call_invalid_tools_too(client: Client) -> None:
    """The client hides invalid tools by itself, so it also calls them by name: the gateway must not pass that on."""
    await call_every_tool(client)
    if os.environ.get("CONFORMANCE_DIRECT"):
        return
    for name in INVALID_TOOLS:
        try:
            await client.call_tool(name, {})
        except MCPError:
            continue


async def echo_schema(client: Client) -> None:
    listed = (await client.list_tools()).tools
    focal = next(tool for tool in listed if tool.name == "json_schema_2020_12_tool")
    await client.call_tool("json_schema_echo", {"schema": focal.input_schema})


async def answer_in_rounds(client: Client) -> None:
    await client.list_tools()
    for name in ("echo_state", "unrelated", "no_state", "unrelated", "no_result_type"):
        await client.call_tool(f"test_mrtr_{name}", {})


SCENARIOS: dict[tuple[str, str], Callable[[Client], Awaitable[None]]] = {
    (HANDSHAKE, "initialize"): list_only,
    (HANDSHAKE, "tools_call"): call_every_tool,
    (HANDSHAKE, "elicitation-sep1034-client-defaults"): call_every_tool,
    (HANDSHAKE, "sse-retry"): call_every_tool,
    (HANDSHAKE, "json-schema-2020-12-preservation"): echo_schema,
    (MODERN, "tools_call"): call_every_tool,
    (MODERN, "request-metadata"): call_every_tool,
    (MODERN, "http-standard-headers"): use_every_feature,
    (MODERN, "http-custom-headers"): call_given_tools,
    (MODERN, "http-invalid-tool-headers"): call_invalid_tools_too,
    (MODERN, "json-schema-ref-no-deref"): list_only,
    (MODERN, "json-schema-2020-12-preservation"): echo_schema,
    (MODERN, "sep-2322-client-request-state"): answer_in_rounds,
}
"""Every client scenario of either revision that needs no OAuth, by revision and name; `auth_driver` has the rest."""

PINNED: dict[str, str] = {}
"""Mock servers that speak another version than the revision they belong to."""


async def drive(url: str, revision: str, scenario: str) -> None:
    mode = "auto" if revision == MODERN else "legacy"
    async with Client(
        url, mode=mode, elicitation_callback=elicit, sampling_callback=sample, list_roots_callback=roots
    ) as client:
        await SCENARIOS[revision, scenario](client)


def main() -> int:
    url = sys.argv[-1]
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    revision = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
    if os.environ.get("CONFORMANCE_DIRECT"):
        asyncio.run(drive(url, revision, scenario))
        return 0
    if scenario.startswith("auth/"):
        asyncio.run(auth_driver.drive(url, revision, scenario))
        return 0
    protocol = "auto" if revision == MODERN else PINNED.get(scenario, revision)
    with gateway(url, protocol=protocol, name="mock") as through:
        asyncio.run(drive(through, revision, scenario))
    return 0


if __name__ == "__main__":
    sys.exit(main())
