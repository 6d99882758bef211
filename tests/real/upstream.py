"""The everything server with what these tests need besides: tools that say when they ran, that wait, that refuse.

`python -m tests.real.upstream --journal FILE [options of tests.upstreams.serving]`. Each execution of `mark` and each
step of `hold` is one line of the journal, written at once, so that it can be read after the process was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from tests.upstreams.everything import complete, prompts, resources, templates
from tests.upstreams.everything_asking import asking_tools
from tests.upstreams.everything_content import content_tools
from tests.upstreams.fixture import Call, Offer, ToolSpec, WideServer, object_schema, text, tool
from tests.upstreams.serving import build_server, main

TOKEN = object_schema({"token": {"type": "string"}, "milliseconds": {"type": "integer", "minimum": 0}}, "token")


class Journal:
    """A file that several processes append to, a line at a time."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())


def own_tools(journal: Journal) -> list[ToolSpec]:
    async def mark(call: Call) -> CallToolResult:
        token = str(call.arguments["token"])
        journal.write("mark", token)
        await asyncio.sleep(call.arguments.get("milliseconds", 0) / 1000)
        return text(token, structured={"token": token, "process": os.getpid()})

    async def hold(call: Call) -> CallToolResult:
        token = str(call.arguments["token"])
        journal.write("begun", token)
        try:
            await asyncio.sleep(call.arguments.get("milliseconds", 60_000) / 1000)
        except asyncio.CancelledError:
            journal.write("cancelled", token)
            raise
        journal.write("ended", token)
        return text(token)

    async def touch(call: Call) -> CallToolResult:
        await call.audience.publish(ResourceUpdated(uri=str(call.arguments["uri"])))
        return text("touched")

    async def refuse(call: Call) -> CallToolResult:
        raise MCPError(code=4242, message="refused for a reason of its own", data={"hint": ["kept", None]})

    return [
        tool("mark", "Writes the token down once and gives it back", mark, TOKEN),
        tool("hold", "Takes its time", hold, TOKEN),
        tool("touch", "Says that a resource was updated", touch, object_schema({"uri": {"type": "string"}}, "uri")),
        tool("refuse", "Answers with an error of its own", refuse),
    ]


def make(journal: Journal) -> WideServer:
    specs = (*content_tools(), *asking_tools(), *own_tools(journal))
    offer = Offer(
        tools={spec.tool.name: spec for spec in specs},
        prompts={spec.prompt.name: spec for spec in prompts()},
        resources={str(spec.resource.uri): spec for spec in resources()},
        templates=templates(),
        completions=complete,
    )
    return build_server("everything", "1.0.0", offer, instructions="Everything there is to test.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", required=True)
    own, rest = parser.parse_known_args()
    journal = Journal(own.journal)
    sys.exit(main(lambda: make(journal), rest))
