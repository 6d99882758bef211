"""Within one era a client can be asked; over every transport an upstream can be used."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import UpstreamError
from mcp_gateway.core.principal import GATEWAY
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.upstream.credentials import FixedHeaders
from tests.upstream.doubles import (
    HeldSession,
    RecordingLink,
    carry_out,
    fleet_of,
    http_server,
    stdio_module,
    text_of,
    tool_call,
    until,
)
from tests.upstream.test_sse_channel import sdk_server
from tests.upstreams.evil import EvilMCP

EVERYTHING = "tests.upstreams.everything"
SAMPLED: Json = {"role": "assistant", "content": {"type": "text", "text": "forty-two"}, "model": "m"}


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_handshake_client_answers_what_a_handshake_upstream_asks(transport: str) -> None:
    async with http_server(EVERYTHING, "--era", "legacy") as http:
        child = stdio_module(EVERYTHING).model_copy(update={"protocol": "2025-11-25"})
        async with fleet_of(everything=http if transport == "http" else child) as fleet:

            async def ask(number: int) -> str:
                answer = {**SAMPLED, "content": {"type": "text", "text": f"answer {number}"}}
                link, session = RecordingLink(answer), HeldSession(f"s{number}")
                call = tool_call(
                    "everything", "test_sampling", {"prompt": f"question {number}"},
                    modern=False, link=link, session=session, capabilities={"sampling": {}},
                )  # fmt: skip
                result = text_of(await carry_out(fleet, call))
                assert [method for method, _ in link.asked] == ["sampling/createMessage"]
                assert f"question {number}" in str(link.asked)
                return result

            answers = await asyncio.gather(*(ask(number) for number in range(3)))
            assert all(f"answer {number}" in answer for number, answer in enumerate(answers))


async def test_a_modern_client_is_asked_by_a_result_which_passes_as_it_came() -> None:
    async with http_server(EVERYTHING, "--era", "modern") as spec, fleet_of(everything=spec) as fleet:
        tool = "test_input_required_result_elicitation"
        asked = await carry_out(fleet, tool_call("everything", tool, capabilities={"elicitation": {}}))
        assert asked["resultType"] == "input_required"
        (key,) = asked["inputRequests"]
        assert asked["inputRequests"][key]["method"] == "elicitation/create"


async def test_the_deprecated_transport() -> None:
    async with sdk_server() as url, fleet_of(old=HttpUpstream(url=url, transport="sse")) as fleet:
        health = fleet.health()["old"]
        assert (health.available, health.kind, health.tools) == (True, "sse", 1), health.error
        name = fleet.inventory("old").tools[0]["name"]
        calls = [tool_call("old", name, {"number": number}) for number in range(10)]
        results = await asyncio.gather(*(carry_out(fleet, call) for call in calls))
        assert [text_of(result) for result in results] == [str(2 * number) for number in range(10)]


async def test_the_deprecated_transport_is_found_where_nothing_else_is_taken() -> None:
    async with sdk_server() as url, fleet_of(old=HttpUpstream(url=url)) as fleet:
        health = fleet.health()["old"]
        assert (health.available, health.kind) == (True, "sse"), health.error


async def test_the_era_is_probed_once_and_remembered() -> None:
    async with EvilMCP(era="legacy") as evil, fleet_of(evil=HttpUpstream(url=evil.url)) as fleet:
        for number in range(5):
            await carry_out(fleet, tool_call("evil", "ok", session=HeldSession(str(number)), modern=False))
        assert evil.methods()["server/discover"] == 1


async def test_a_server_that_changes_its_era_at_a_restart_is_understood_again() -> None:
    async with EvilMCP(era="modern") as modern:
        url = modern.url
        async with fleet_of(evil=HttpUpstream(url=url)) as fleet:
            await carry_out(fleet, tool_call("evil", "ok"))
            await modern.refuse()
            legacy = EvilMCP(era="legacy")
            legacy._port = modern._port  # the same address
            async with legacy:

                async def served() -> bool:
                    try:
                        return text_of(await carry_out(fleet, tool_call("evil", "ok"))) == "{}"
                    except UpstreamError:
                        return False

                async with asyncio.timeout(20):
                    while not await served():
                        await asyncio.sleep(0.02)
                await until(lambda: fleet.inventory("evil").version == "2025-11-25")


async def test_two_connections_are_not_needed_to_serve_a_modern_upstream_one_by_one() -> None:
    async with EvilMCP(era="modern") as evil, fleet_of(evil=HttpUpstream(url=evil.url)) as fleet:
        for _ in range(20):
            await carry_out(fleet, tool_call("evil", "ok"))
        assert evil.connections == 1


def test_secrets_are_not_shown() -> None:
    headers = FixedHeaders({"X-Key": Secret("canary")})
    assert headers.at_hand(GATEWAY) == {"x-key": "canary"}
    assert "canary" not in repr(headers)
