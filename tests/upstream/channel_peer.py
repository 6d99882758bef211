"""The other end of a channel, under a test's control: what came is read off a queue, what is sent is said in full."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from mcp_gateway.core.errors import UpstreamError
from mcp_gateway.upstream.channel_duplex import MemoryDuplex, memory_pair

Message = dict[str, Any]
Answer = Callable[[Message], Message | None]

DISCOVERED: Message = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}, "logging": {}},
    "instructions": "Ask.",
    "ttlMs": 0,
    "cacheScope": "private",
    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "peer", "version": "1"}},
}
INITIALIZED: Message = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}, "logging": {}},
    "serverInfo": {"name": "peer", "version": "1"},
}


class Peer:
    """The upstream's end. Messages go to `answer` if it is set (its return value is sent), else to the queue."""

    def __init__(self, duplex: MemoryDuplex) -> None:
        self.duplex = duplex
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.seen: list[Message] = []
        self.answer: Answer | None = None
        duplex.attach(self)

    def feed(self, raw: bytes) -> None:
        message = json.loads(raw)
        self.seen.append(message)
        reply = self.answer(message) if self.answer is not None else None
        if reply is not None:
            self.send(reply)
        else:
            self.inbox.put_nowait(message)

    def lost(self, reason: UpstreamError) -> None:
        self.seen.append({"lost": reason.message})

    def send(self, message: object) -> None:
        self.raw(json.dumps(message).encode())

    def raw(self, data: bytes) -> None:
        self.duplex.post(data)

    def result(self, request: Message, value: object) -> None:
        self.send({"jsonrpc": "2.0", "id": request["id"], "result": value})

    def error(self, request: Message, code: int, message: str = "no", **more: object) -> None:
        self.send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message, **more}})

    def notify(self, method: str, params: Message) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def next(self, method: str) -> Message:
        """The next message, which must be of `method`."""
        message = await asyncio.wait_for(self.inbox.get(), 5)
        assert message.get("method") == method, message
        return message

    async def reply(self) -> Message:
        """The next message, which must be an answer."""
        message = await asyncio.wait_for(self.inbox.get(), 5)
        assert "method" not in message, message
        return message


def peer_and_duplex() -> tuple[Peer, MemoryDuplex]:
    """A peer and the gateway's end of the channel to it."""
    ours, theirs = memory_pair()
    return Peer(theirs), ours


async def settle() -> None:
    """Let everything that is ready run: a message takes one turn, an answer to it another."""
    for _ in range(5):
        await asyncio.sleep(0)
