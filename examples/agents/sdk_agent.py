"""An agent on the official MCP SDK's client. Its model is a script, so it runs offline and always does the same.

    python -m examples.agents.sdk_agent --url http://127.0.0.1:8080/servers/office/mcp

The loop is the one every agent has: show the model the tools and what happened so far, do what it asks for, until it
answers. Put a real model in the place of `ScriptedModel` and the rest stays. Exit codes: 0 the agent answered, 1 it
could not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, Tool

DEFAULT_URL: Final = "http://127.0.0.1:8080/servers/office/mcp"
MAX_TURNS: Final = 8


@dataclass(frozen=True, slots=True)
class Ask:
    """The model wants a tool called."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The model has enough."""

    text: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One call and what came of it. `ok` is false for a refusal and for a tool that failed."""

    ask: Ask
    ok: bool
    text: str


SCRIPT: Final = (
    Ask("now", {"timezone": "Europe/Paris"}),
    Ask("git_log", {"max_count": 1}),
    # The composition leaves this tool out. A model may ask for it all the same, and learns that it does not exist.
    Ask("git_reset"),
)


class ScriptedModel:
    """Asks for `script` in order, then answers with what it has learned."""

    def __init__(self, script: Sequence[Ask] = SCRIPT) -> None:
        self._script = script

    def next(self, tools: Sequence[Tool], so_far: Sequence[Happened]) -> Ask | Answer:
        """The next move, given the tools on offer and what happened so far."""
        if len(so_far) < len(self._script):
            return self._script[len(so_far)]
        worked = [happened.ask.tool for happened in so_far if happened.ok]
        return Answer(f"{len(tools)} tools on offer; {', '.join(worked) or 'nothing'} worked, the rest did not.")


async def call(client: Client, ask: Ask) -> Happened:
    """Do what the model asks for. A refusal is an answer too: the model reads it and goes on."""
    try:
        result = await client.call_tool(ask.tool, ask.arguments)
    except MCPError as error:
        return Happened(ask, False, f"{error.error.code} {error.error.message}")
    text = " ".join(" ".join(block.text.split()) for block in result.content if isinstance(block, TextContent))
    return Happened(ask, not result.is_error, text)


async def run(url: str, mode: str) -> int:
    """Connect, let the model work, print each step; the exit code."""
    model, so_far = ScriptedModel(), list[Happened]()
    async with Client(url, mode="legacy" if mode == "handshake" else "auto") as client:
        print(f"connected to {url}, protocol {client.protocol_version}")
        if client.instructions:
            print(f"the server says: {client.instructions}")
        tools = (await client.list_tools()).tools
        print(f"tools: {', '.join(tool.name for tool in tools)}")
        for _ in range(MAX_TURNS):
            move = model.next(tools, so_far)
            if isinstance(move, Answer):
                print(f"answer: {move.text}")
                return 0 if any(happened.ok for happened in so_far) else 1
            so_far.append(await call(client, move))
            print(f"{'ok     ' if so_far[-1].ok else 'refused'} {move.tool} {move.arguments}")
            print(f"        {so_far[-1].text[:200]}")
    print(f"no answer after {MAX_TURNS} turns", file=sys.stderr)
    return 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="An agent on the official MCP SDK, with a scripted model.")
    parser.add_argument("--url", default=DEFAULT_URL, help="the virtual server (default: %(default)s)")
    parser.add_argument(
        "--era",
        choices=("auto", "handshake"),
        default="auto",
        help="auto speaks the newest protocol version both sides have, handshake begins with `initialize`",
    )
    arguments = parser.parse_args()
    try:
        return asyncio.run(run(arguments.url, arguments.era))
    except* (MCPError, httpx2.HTTPError, OSError) as group:
        print(f"cannot use {arguments.url}: {_first(group)}", file=sys.stderr)
    return 1


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
