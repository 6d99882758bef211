"""A raw HTTP/1.1 client: sends exactly the bytes a test wants, reads whatever comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 20.0
"""Seconds after which something that should have happened counts as not happening."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response, its body whole. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        """The JSON body, or the last message of an event stream."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return self.messages[-1]
        return json.loads(self.body)

    @property
    def messages(self) -> list[Any]:
        """Every message of an event stream."""
        events = self.body.decode().replace("\r\n", "\n").split("\n\n")
        lines = ([line[6:] for line in event.split("\n") if line.startswith("data: ")] for event in events)
        return [json.loads("\n".join(data)) for data in lines if data and data[0]]


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def request(target: str, headers: Iterable[tuple[str, str]], body: bytes = b"", method: str = "POST") -> bytes:
    """The bytes of a request with exactly these headers, and a Content-Length where there is a body."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Line:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send as much of `data` as the peer takes: one that has refused already may have closed."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response; raises `IncompleteReadError` where none comes."""
        async with asyncio.timeout(PATIENCE):
            while True:
                first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
                status = int(first.split(" ", 2)[1])
                if status >= 200:
                    break
        pairs = (line.partition(":") for line in lines)
        return status, {name.strip().lower(): value.strip() for name, _, value in pairs}

    async def answer(self) -> Answer:
        """The next response with its whole body."""
        status, headers = await self.head()
        async with asyncio.timeout(PATIENCE):
            return Answer(status, headers, await self._body(headers))

    async def event(self) -> Any:
        """The next message of the event stream that is being answered with."""
        async with asyncio.timeout(PATIENCE):
            while True:
                line = await self.reader.readline()
                assert line, "the stream ended"
                if line.startswith(b"data: ") and line.strip() != b"data:":
                    return json.loads(line[6:])

    async def ended(self) -> bytes:
        """What comes until the gateway closes the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def reset(self) -> None:
        """Go away without saying so."""
        self.writer.transport.abort()

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self.reader.readexactly(int(headers.get("content-length", "0")))
        parts: list[bytes] = []
        while size := int(await self.reader.readline(), 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readline()
        return b"".join(parts)


@contextlib.asynccontextmanager
async def line(url: str) -> AsyncIterator[Line]:
    """An open connection to the server of `url`; aborted on leaving."""
    reader, writer = await asyncio.open_connection(*address(url), limit=1 << 26)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()


async def exchange(url: str, data: bytes) -> Answer:
    """Send `data` on a connection of its own; the answer."""
    async with line(url) as here:
        sending = asyncio.ensure_future(here.send(data))
        try:
            return await here.answer()
        finally:
            sending.cancel()
            await asyncio.wait([sending])
