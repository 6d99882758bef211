"""The way back to a client, closed until guardrails have said their word on the request."""

from __future__ import annotations

import asyncio

from llm_proxy.asking import Out


class Withheld:
    """An `Out` on which nothing leaves before it is opened."""

    __slots__ = ("_opened", "_out")

    def __init__(self, out: Out) -> None:
        self._out = out
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let through what was written, and what will be."""
        self._opened.set()

    @property
    def gone(self) -> bool:
        return self._out.gone

    @property
    def committed(self) -> bool:
        return self._out.committed

    def tell(self, name: str, value: str) -> None:
        self._out.tell(name, value)

    async def write(self, piece: bytes) -> None:
        if piece:
            await self._opened.wait()
            await self._out.write(piece)
