"""An agent on Pydantic AI. Its model is a function, so it runs offline and always does the same.

    python -m examples.agents.framework_agent --url http://127.0.0.1:8080/servers/office/mcp

To the framework a virtual server is a toolset like any other: `MCPToolset(url)`. Replace `FunctionModel(script)` by a
real model's name and the rest stays. Exit codes: 0 the agent answered, 1 it could not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any, Final

import httpx2
from mcp.shared.exceptions import MCPError
from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import AgentRunError, ModelRetry
from pydantic_ai.mcp import CallToolFunc, MCPToolset, ToolResult
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

DEFAULT_URL: Final = "http://127.0.0.1:8080/servers/office/mcp"
QUESTION: Final = "What time is it in Paris, and what was the last change to the repository?"


def script(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """The model: first asks for two tools at once, then answers with what they returned."""
    returned = [
        part
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]
    if not returned:
        print(f"tools: {', '.join(tool.name for tool in info.function_tools)}")
        return ModelResponse(
            parts=[
                ToolCallPart("now", {"timezone": "Europe/Paris"}),
                ToolCallPart("git_log", {"max_count": 1}),
            ]
        )
    return ModelResponse(parts=[TextPart(f"Asked {' and '.join(part.tool_name for part in returned)}, and know both.")])


async def shown(
    _context: RunContext[None], call_tool: CallToolFunc, name: str, arguments: dict[str, Any]
) -> ToolResult:
    """Print each call with the beginning of its result. A tool that failed asks the model to try again."""
    try:
        result = await call_tool(name, arguments)
    except ModelRetry as failed:
        print(f"failed  {name} {arguments}\n        {failed.message[:200]}")
        raise
    print(f"ok      {name} {arguments}\n        {' '.join(str(result).split())[:200]}")
    return result


async def run(url: str) -> str:
    """One run of the agent against the virtual server at `url`; its answer."""
    agent = Agent(FunctionModel(script), toolsets=[MCPToolset(url, process_tool_call=shown)])
    return (await agent.run(QUESTION)).output


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="An agent on Pydantic AI, with a scripted model.")
    parser.add_argument("--url", default=DEFAULT_URL, help="the virtual server (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"question: {QUESTION}")
    try:
        print(f"answer: {asyncio.run(run(arguments.url))}")
        return 0
    except* (AgentRunError, MCPError, httpx2.HTTPError, OSError, RuntimeError) as group:
        print(f"cannot use {arguments.url}: {_first(group)}", file=sys.stderr)
    return 1


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
