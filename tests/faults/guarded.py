"""A gateway with guardrails of one's own, and what those ask: the path that it is asked at decides what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.faults.agents import agent
from tests.faults.listening import Listening
from tests.faults.site import Site, write
from tests.upstreams.evil import EvilMCP
from tests.upstreams.evil_wire import read_request

PRE, POST = "mcp_tool_pre_invoke_guardrails", "mcp_tool_post_invoke_guardrails"
BLOCKED = 40301

_BODIES: Final[Mapping[str, tuple[int, bytes]]] = {
    "throws": (500, b'{"verdict": true}'),
    "garbage": (200, b"\x00\xffverdict: true"),
    "list": (200, b"[true]"),
    "word": (200, b'{"verdict": "true"}'),
    "hollow": (200, b'{"verdict": true, "transformed": true}'),
    "denies": (200, b'{"verdict": false}'),
    "passes": (200, b'{"verdict": true}'),
}


class Endpoint(Listening):
    """Where webhook guards ask. `/hangs` answers once `gate` is set, the others at once; `instead` answers for a path.

    `asked` counts the questions that came, by path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.instead: dict[str, str] = {}

    def url(self, path: str) -> str:
        """Nobody listens at that of `down`, which is the discard port."""
        return "http://127.0.0.1:9/" if path == "down" else f"http://127.0.0.1:{self.port}/{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (seen := await read_request(reader)) is not None:
                path = seen.path.strip("/")
                self.asked[path] += 1
                path = self.instead.get(path, path)
                if path == "hangs":
                    await self.gate.wait()
                status, body = _BODIES.get(path, _BODIES["passes"])
                head = (
                    f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@dataclass(slots=True)
class Guarded:
    """The gateway, its upstream, and what its guards ask."""

    site: Site
    evil: EvilMCP
    endpoint: Endpoint

    async def call(self, server: str, tool: str = "ok", arguments: Mapping[str, Any] | None = None) -> int:
        """The code of the error that a call ended with, 0 for none."""
        here = await agent(self.site.url(server), "modern")
        answer = await here.call(tool, arguments or {})
        return int(answer["error"]["code"]) if "error" in answer else 0

    def judgements(self, server: str) -> list[dict[str, Any]]:
        """What the last call to a virtual server has on record of guardrails."""
        records: list[Any] = [
            line for line in self.site.lines.records if line.get("server") == server and line["target"]
        ]
        return [dict(each) for each in records[-1].get("guardrails", ())]

    def tally(self, guardrail: str) -> dict[tuple[str, str, str], int]:
        """What /metrics says of a guardrail: how often, by hook, verdict and action."""
        labels = rf'guardrail="{re.escape(guardrail)}",hook="(\w+)",verdict="(\w+)",action="(\w+)"'
        pattern = rf"^mcp_gateway_guardrail_judgements_total{{{labels}}} (\d+)$"
        found = re.findall(pattern, self.site.gateway.control.metrics(), re.M)
        return {(hook, verdict, action): int(count) for hook, verdict, action, count in found}


def asking(
    endpoint: Endpoint, name: str, path: str, mode: str = "enforce", timeout: str = "20s", **more: Any
) -> dict[str, Any]:
    """A guardrail that asks `endpoint`, once."""
    config = {"url": endpoint.url(path), "retries": 0}
    return {"name": name, "type": "webhook", "mode": mode, "timeout": timeout, "config": config, **more}


@contextlib.asynccontextmanager
async def guarded(
    folder: Path,
    endpoint: Endpoint,
    guardrails: Sequence[Mapping[str, Any]],
    rules: Sequence[Mapping[str, Any]],
    servers: Sequence[str] = ("main",),
) -> AsyncIterator[Guarded]:
    """A gateway in this loop with the `guardrails`, which form the group `own`, and `rules` for them."""
    async with EvilMCP() as evil:
        config = write(folder, {"evil": {"url": evil.url}}, {name: [{"upstream": "evil"}] for name in servers}, {})
        config.write_text(json.dumps({**json.loads(config.read_text()), "guardrails": "guardrails.yaml"}))
        groups = [{"name": "own", "guardrails": list(guardrails)}]
        (folder / "guardrails.yaml").write_text(json.dumps({"groups": groups, "rules": list(rules)}))
        lines = MemoryLines()
        settings = load(config, os.environ)
        async with running(settings, lambda: load(config, os.environ), records=lines, trace=False) as here:
            yield Guarded(Site(here.gateway, here.data, here.control, lines), evil, endpoint)
