"""One timer for all answers that may take long."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.ingress import keep_alive
from mcp_gateway.ingress.keep_alive import KeepAlive


class Answer:
    """Remembers that it was opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    def open(self) -> None:
        self.opened.set()


async def test_those_that_are_waited_for_are_opened_and_those_that_left_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keep_alive, "KEEP_ALIVE_SECONDS", 0.02)
    loop, watching = asyncio.get_running_loop(), KeepAlive()
    over, first, second = Answer(), Answer(), Answer()
    for answer in (over, first, second):
        watching.watch(answer, loop)
    watching.leave(over)
    async with asyncio.timeout(5):
        await first.opened.wait()
        await second.opened.wait()
        later = Answer()
        watching.watch(later, loop)
        await later.opened.wait()
    assert not over.opened.is_set()
    watching.leave(later)  # also what was opened may leave
