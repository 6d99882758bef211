"""The ledger in both eras, over a socket: what it offers, what it announces, and which era it lets in."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.client.session import IncomingMessage
from mcp_types import TextContent

from tests.conformance.systems import announced

POST = {"amt": 10, "currency": "EUR", "requester": "a@example.com", "memo": "paper"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with announced("tests.upstreams.plain") as port:
        yield f"http://127.0.0.1:{port}/mcp"


def said(result: Any) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_books_and_reports(url: str, mode: str) -> None:
    async with Client(url, mode=mode) as client:
        before = (await client.call_tool("query_balance", {"currency": "EUR"})).structured_content
        booked = await client.call_tool("post_entry", POST)
        after = (await client.call_tool("query_balance", {"currency": "EUR"})).structured_content
        assert float(after["balance"]) - float(before["balance"]) == pytest.approx(10)
        number = booked.structured_content["number"]
        read = await client.read_resource(f"ledger://entries/{number}")
        assert json.loads(read.contents[0].text)["memo"] == "paper"  # type: ignore[union-attr]  # a text resource


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_refuses_what_it_does_not_know(url: str, mode: str) -> None:
    async with Client(url, mode=mode) as client:
        assert (await client.call_tool("post_entry", {**POST, "currency": "XXX"})).is_error
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("no_such_tool", {})
        assert unknown.value.error.code == -32602
        with pytest.raises(MCPError) as missing:
            await client.get_prompt("monthly_review", {})
        assert missing.value.error.code == -32602


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress_reaches_the_caller(url: str, mode: str) -> None:
    steps: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with Client(url, mode=mode) as client:
        assert said(await client.call_tool("reconcile", {"steps": 4}, progress_callback=hear))
    assert steps == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")  # subscribing is deprecated, and tested here
async def test_old_clients_hear_of_changes(url: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen(message: IncomingMessage) -> None:
        if not isinstance(message, Exception):
            heard.put_nowait(getattr(message, "method", ""))

    async with Client(url, mode="legacy", message_handler=listen) as client:
        await client.subscribe_resource("ledger://balance")
        missing = {
            "notifications/tools/list_changed",
            "notifications/resources/list_changed",
            "notifications/resources/updated",
        }
        # The GET stream opens in the background: what is sent before it does is lost, so the changes are repeated.
        for _ in range(50):
            await client.call_tool("close_period", {"period": "2026-01"})
            await client.call_tool("post_entry", POST)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    while missing:
                        missing.discard(await heard.get())
                break
        assert not missing
        assert "report_2026-01" in {tool.name for tool in (await client.list_tools()).tools}


async def test_new_clients_hear_of_changes(url: str) -> None:
    async with Client(url) as client, Client(url) as other:
        async with client.listen(tools_list_changed=True, resource_subscriptions=["ledger://balance"]) as changes:
            await other.call_tool("post_entry", POST)
            await other.call_tool("close_period", {"period": "2026-02"})
            heard = {type(await anext(changes)).__name__ for _ in range(2)}
        assert heard == {"ResourceUpdated", "ToolsListChanged"}


@pytest.mark.parametrize(("era", "version"), [("modern", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_one_era_only(era: str, version: str) -> None:
    with announced("tests.upstreams.plain", "--era", era) as port:
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            assert client.session.protocol_version == version
            assert said(await client.call_tool("query_balance", {}))
