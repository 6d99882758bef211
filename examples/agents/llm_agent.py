"""An agent whose model and whose tools both come through the gateway: the official OpenAI client, the official MCP SDK.

    python -m examples.agents.llm_agent --url http://127.0.0.1:8080 --model house/assistant --server handbook

The model's name stands for whatever the gateway's rules make of it; a line tells which provider answered each turn.
Exit codes: 0 the agent answered, 1 it could not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, Tool
from openai import AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletionMessageFunctionToolCall

DEFAULT_URL: Final = "http://127.0.0.1:8080"
QUESTION: Final = "Which pages of the handbook mention trains?"
MAX_TURNS: Final = 8


def offered(tool: Tool) -> Any:
    """A tool as the model is told of it."""
    function = {"name": tool.name, "description": tool.description or "", "parameters": tool.input_schema}
    return {"type": "function", "function": function}


async def call(tools: Client, wanted: ChatCompletionMessageFunctionToolCall) -> str:
    """Do what the model asks for. A refusal is an answer too: the model reads it and goes on."""
    try:
        result = await tools.call_tool(wanted.function.name, json.loads(wanted.function.arguments))
    except (MCPError, ValueError) as error:
        return f"error: {error}"
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


async def run(url: str, model: str, server: str, team: str, question: str) -> int:
    """Let the model work until it answers, print each step; the exit code."""
    told = {"X-TFY-METADATA": json.dumps({"team": team})}
    async with (
        AsyncOpenAI(base_url=f"{url}/v1", api_key="anonymous", default_headers=told) as models,
        httpx2.AsyncClient(headers=told, follow_redirects=True) as http,
        Client(streamable_http_client(f"{url}/servers/{server}/mcp", http_client=http)) as tools,
    ):
        listed = [offered(tool) for tool in (await tools.list_tools()).tools]
        messages: list[Any] = [{"role": "user", "content": question}]
        for _ in range(MAX_TURNS):
            raw = await models.chat.completions.with_raw_response.create(model=model, messages=messages, tools=listed)
            said = raw.parse().choices[0].message
            print(f"turn    {model} is {raw.headers['x-gateway-model']}")
            if not said.tool_calls:
                print(f"answer: {said.content}")
                return 0
            messages.append(said)
            for wanted in said.tool_calls:
                if isinstance(wanted, ChatCompletionMessageFunctionToolCall):
                    returned = await call(tools, wanted)
                    print(f"tool    {wanted.function.name} {wanted.function.arguments}\n        {returned[:200]}")
                    messages.append({"role": "tool", "tool_call_id": wanted.id, "content": returned})
    print(f"no answer after {MAX_TURNS} turns", file=sys.stderr)
    return 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="An agent whose model and tools come through the gateway.")
    parser.add_argument("--url", default=DEFAULT_URL, help="the gateway (default: %(default)s)")
    parser.add_argument("--model", default="house/assistant", help="the model to ask for (default: %(default)s)")
    parser.add_argument("--server", default="handbook", help="the virtual server (default: %(default)s)")
    parser.add_argument("--team", default="people", help="said in the metadata (default: %(default)s)")
    parser.add_argument("question", nargs="?", default=QUESTION, help="what to ask (default: %(default)s)")
    given = parser.parse_args()
    try:
        return asyncio.run(run(given.url, given.model, given.server, given.team, given.question))
    except* (MCPError, OpenAIError, httpx2.HTTPError, OSError) as group:
        print(f"cannot use {given.url}: {_first(group)}", file=sys.stderr)
    return 1


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
