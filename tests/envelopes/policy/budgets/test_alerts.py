"""Alerts on their way to a webhook: a real listener, retried, bounded, never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import orjson
import pytest

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets.alerts import ATTEMPTS, Alerts, told
from mcp_gateway.envelopes.policy.budgets.budgets import Budgets
from mcp_gateway.envelopes.policy.budgets.rules import NANO
from mcp_gateway.envelopes.policy.budgets.settling import Crossed, Settling
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore
from tests.envelopes.policy.budgets.making import Thresholds, budget, reserve, usd


class Listener:
    """An HTTP server that answers with the `statuses` in turn, the last for ever; 0 closes the connection."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses = statuses
        self.bodies: list[dict[str, Any]] = []
        self.url = Secret("")
        self.hold = asyncio.Event()
        self.hold.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
            self.bodies.append(orjson.loads(await reader.readexactly(length)))
            await self.hold.wait()
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            if status:
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def listening(*statuses: int) -> AsyncIterator[Listener]:
    listener = Listener(list(statuses))
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    listener.url = Secret(f"http://127.0.0.1:{port}/hook?token=canary")
    try:
        yield listener
    finally:
        listener.hold.set()
        server.close()
        await server.wait_closed()


def crossed(url: Secret | None, **changes: Any) -> Crossed:
    one = budget(alerts=Thresholds([75.0], url), **changes)
    return Crossed(one, one.limits[0], 75.0, 8 * NANO, 20_000, "abc")


async def test_what_a_settlement_crosses_is_posted() -> None:
    async with listening(204) as listener:
        alerts = Alerts(delay=0.0)
        budgets = Budgets(
            [budget(alerts=Thresholds([50.0, 75.0], listener.url))], Settling(MemoryStore(), alert=alerts)
        )
        budgets.settle(await reserve(budgets, 8), usd(8))
        await alerts.sent()
        await alerts.close()
    assert sorted(body["threshold_percent"] for body in listener.bodies) == [50.0, 75.0]
    body = listener.bodies[0]
    assert (body["event"], body["budget"], body["limit"]) == ("budget_threshold", "b", "cost_per_day")
    assert (body["unit"], body["spent"], body["most"]) == ("usd", 8.0, 10.0)
    assert body["window_ends"].endswith("T00:00:00Z")
    assert alerts.counts == {("b", "sent"): 2}


@pytest.mark.parametrize(
    ("statuses", "outcome", "posts"),
    [
        ([500, 429, 200], "sent", 3),
        ([0, 200], "sent", 2),
        ([404], "failed", 1),
        ([302], "failed", 1),
        ([503], "failed", ATTEMPTS),
    ],
)
async def test_it_is_tried_again_where_that_may_help(statuses: list[int], outcome: str, posts: int) -> None:
    async with listening(*statuses) as listener:
        alerts = Alerts(delay=0.0)
        alerts(crossed(listener.url))
        await alerts.sent()
        await alerts.close()
    assert alerts.counts == {("b", outcome): 1}
    assert len(listener.bodies) >= posts if 0 in statuses else len(listener.bodies) == posts
    assert len({body["id"] for body in listener.bodies}) == 1


async def test_what_is_too_much_at_once_is_dropped_and_counted() -> None:
    async with listening(200) as listener:
        listener.hold.clear()
        alerts = Alerts(most=2)
        for _ in range(5):
            alerts(crossed(listener.url))
        listener.hold.set()
        await alerts.sent()
        await alerts.close()
    assert alerts.counts == {("b", "sent"): 2, ("b", "dropped"): 3}


async def test_closing_does_not_wait_for_a_webhook_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_gateway.envelopes.policy.budgets.alerts.CLOSE_SECONDS", 0.01)
    async with listening(200) as listener:
        listener.hold.clear()
        alerts = Alerts()
        alerts(crossed(listener.url))
        await alerts.close()
    assert alerts.counts == {("b", "failed"): 1}


async def test_without_a_webhook_it_is_only_in_the_log_and_the_address_never_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with listening(404) as listener:
        alerts = Alerts()
        alerts(crossed(None))
        alerts(crossed(listener.url))
        await alerts.sent()
        await alerts.close()
    shown = "".join(capsys.readouterr())
    assert alerts.counts == {("b", "logged"): 1, ("b", "failed"): 1}
    assert "canary" not in shown and "canary" not in repr(crossed(listener.url))


def test_every_window_threshold_and_account_has_an_id_of_its_own() -> None:
    one = crossed(None)
    others = [
        one,
        Crossed(one.budget, one.limit, 90.0, 1, 20_000, "abc"),
        Crossed(one.budget, one.limit, 75.0, 1, 20_001, "abc"),
        Crossed(one.budget, one.limit, 75.0, 1, 20_000, "abd"),
        crossed(None, id="other"),
    ]
    assert len({told(each, 0.0)["id"] for each in others}) == len(others)
    assert told(one, 0.0)["id"] == told(one, 9.0)["id"]


def test_a_lifetime_has_no_end_and_tokens_are_whole() -> None:
    body = told(crossed(None, limits={"cost_per_lifetime": Decimal(10)}), 0.0)
    assert body["window_ends"] is None
    tokens = told(crossed(None, limits={"tokens_per_day": 10}), 0.0)
    assert (tokens["unit"], tokens["most"]) == ("tokens", 10)
