"""The server that fails on purpose must fail as it says, and be a good server otherwise."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import httpx
import pytest
from mcp import Client

from tests.upstreams.evil import EvilMCP
from tests.upstreams.evil_faults import CONNECTION, EXCESS, FAULTS, GOOD, MALFORMED, REFUSING

HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


async def post(url: str, message: Any, *, timeout: float = 5.0) -> httpx.Response:
    async with httpx.AsyncClient(timeout=timeout) as client:
        return await client.post(url, json=message, headers=HEADERS)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_it_lists_and_calls_in_both_eras(mode: str) -> None:
    async with EvilMCP() as evil, Client(evil.url, mode=mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {*FAULTS, "refuse"}
        result = await client.call_tool("ok", {"a": 1})
        assert result.structured_content == {"echo": {"a": 1}}
        assert (evil.calls("ok"), evil.calls()) == (1, 1)


@pytest.mark.parametrize(("era", "mode"), [("legacy", "auto"), ("modern", "auto"), ("legacy", "legacy")])
async def test_one_era_is_found_by_negotiation(era: Any, mode: str) -> None:
    async with EvilMCP(era=era) as evil, Client(evil.url, mode=mode) as client:
        assert not (await client.call_tool("ok", {})).is_error
        assert ("initialize" in evil.methods()) is (era == "legacy")


@pytest.mark.parametrize("tool", sorted(set(GOOD) - {"gate", "odd_sse", "null_structured", "unknown_blocks"}))
async def test_good_answers_reach_a_typed_client(tool: str) -> None:
    async with EvilMCP(pace=0.0) as evil, Client(evil.url) as client:
        if tool == "rpc_error":
            with pytest.raises(Exception, match="a code of its own"):
                await client.call_tool(tool, {})
        else:
            assert (await client.call_tool(tool, {})).is_error is (tool == "tool_error")


async def test_odd_sse_is_one_message() -> None:
    async with EvilMCP() as evil:
        answer = await post(evil.url, call("odd_sse"))
        lines = answer.content.removeprefix(b"\xef\xbb\xbf").decode().splitlines()
        data = "\n".join(line.partition(":")[2].lstrip() for line in lines if line.startswith("data"))
        assert json.loads(data)["result"]["content"][0]["text"] == "fine"


@pytest.mark.parametrize("tool", sorted(CONNECTION))
async def test_no_answer_ever_comes(tool: str) -> None:
    async with EvilMCP() as evil:
        try:
            async with asyncio.timeout(0.3):
                answer = await post(evil.url, call(tool))
            assert "result" not in answer.text
        except (httpx.TransportError, TimeoutError):
            pass
        await asyncio.wait_for(evil.ended(tool), 5)
        assert evil.calls(tool) == 1


@pytest.mark.parametrize("tool", sorted(set(EXCESS) - {"deep_json", "gzip_bomb", "infinite_headers", "huge_length"}))
async def test_excess_ends_when_the_peer_has_had_enough(tool: str) -> None:
    async with EvilMCP() as evil, httpx.AsyncClient() as client:
        async with client.stream("POST", evil.url, json=call(tool), headers=HEADERS) as answer:
            taken = 0
            async for chunk in answer.aiter_raw():
                taken += len(chunk)
                if taken > 1 << 20:
                    break
        await asyncio.wait_for(evil.ended(tool), 5)
        assert 1 << 20 < evil.sent[tool] < 1 << 26


@pytest.mark.parametrize("tool", sorted(MALFORMED))
async def test_malformed_answers_are_malformed(tool: str) -> None:
    async with EvilMCP() as evil:
        try:
            answer = await post(evil.url, call(tool))
            message = json.loads(answer.content.decode(), parse_constant=pytest.fail)
        except (httpx.TransportError, ValueError, pytest.fail.Exception):
            return
        if tool == "duplicate_keys":
            assert answer.text.count('"result"') == 2
        else:
            right = isinstance(message, dict) and message.get("id") == 1 and isinstance(message.get("result"), dict)
            assert not right or "error" in message


@pytest.mark.parametrize("tool", sorted(REFUSING))
async def test_refusing_statuses(tool: str) -> None:
    async with EvilMCP() as evil:
        assert (await post(evil.url, call(tool))).status_code == int(tool.removeprefix("status_"))


async def test_a_bomb_is_small_until_it_is_unpacked() -> None:
    async with EvilMCP() as evil, httpx.AsyncClient() as client:
        async with client.stream("POST", evil.url, json=call("gzip_bomb"), headers=HEADERS) as answer:
            packed = b"".join([chunk async for chunk in answer.aiter_raw()])
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = sum(len(unpacker.decompress(packed[i : i + 4096])) for i in range(0, len(packed), 4096))
        assert len(packed) < 1 << 21
        assert unpacked == 256 << 20


async def test_deep_json_is_too_deep_for_a_recursive_parser() -> None:
    async with EvilMCP() as evil:
        with pytest.raises(RecursionError):
            (await post(evil.url, call("deep_json"))).json()


async def test_endless_headers_are_no_answer() -> None:
    async with EvilMCP() as evil:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(evil.url, call("infinite_headers"))
        await asyncio.wait_for(evil.ended("infinite_headers"), 5)


async def test_refuse_closes_the_listener_until_it_accepts_again() -> None:
    async with EvilMCP() as evil:
        with pytest.raises(httpx.TransportError):
            await post(evil.url, call("refuse"))
        with pytest.raises(httpx.ConnectError):
            await post(evil.url, call("ok"))
        await evil.accept()
        assert (await post(evil.url, call("ok"))).status_code == 200
        assert (evil.calls("refuse"), evil.calls("ok")) == (1, 1)


async def test_a_gate_holds_calls_until_it_opens() -> None:
    async with EvilMCP() as evil:
        waiting = [asyncio.create_task(post(evil.url, call("gate"))) for _ in range(3)]
        while evil.calls("gate") < 3:
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        evil.gate.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200, 200]


async def test_forgotten_sessions_are_404() -> None:
    async with EvilMCP(era="legacy") as evil, httpx.AsyncClient() as client:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        session = (await client.post(evil.url, json=hello)).headers["mcp-session-id"]
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert (await client.post(evil.url, json=ping, headers={"mcp-session-id": session})).status_code == 200
        evil.forget_sessions()
        assert (await client.post(evil.url, json=ping, headers={"mcp-session-id": session})).status_code == 404
