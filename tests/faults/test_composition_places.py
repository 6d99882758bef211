"""Concurrency of a composition, over real sockets: so many calls at once whichever upstream they go to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.agents import ERAS, Agent, Era, agent
from tests.faults.site import Site, eventually, site, write
from tests.faults.wire import Answer, exchange
from tests.upstreams.evil import EvilMCP


async def ask(here: Agent, tool: str, arguments: Any = None) -> Answer:
    return await exchange(here.url, here.packed(here.calling(tool, arguments)))


def refusal(answer: Answer) -> dict[str, Any]:
    """That `answer` is `overloaded`; the whole error."""
    error = dict(answer.message["error"])
    assert answer.status == 200 and (error["code"], error["data"]["reason"]) == (50300, "overloaded"), error
    assert error["data"]["retryAfterMs"] >= 1
    return error


def shown(here: Site, name: str) -> tuple[int, int]:
    """Calls under way and calls that wait, as the control plane shows them in both places."""
    found = next(server for server in here.gateway.control.servers() if server["name"] == name)
    metrics = here.gateway.control.metrics()
    for state in ("in_use", "waiting"):
        assert f'mcp_gateway_server_places_{state}{{server="{name}"}} {found[state]}\n' in metrics
    return found["in_use"], found["waiting"]


def text(answer: Answer) -> str:
    return str(answer.message["result"]["content"][0]["text"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_composition_has_its_places_and_a_queue_before_them(tmp_path: Path, era: Era) -> None:
    async with EvilMCP() as one, EvilMCP() as two:
        upstreams = {"one": {"url": one.url}, "two": {"url": two.url}}
        sources = [{"upstream": "one", "prefix": "one_"}, {"upstream": "two", "prefix": "two_"}]
        servers = {"narrow": {"sources": sources, "max_concurrency": 2}, "wide": sources}
        async with site(tmp_path, upstreams, servers) as here:
            client, other = await agent(here.url("narrow"), era), await agent(here.url("wide"), era)
            tools = ("one_gate", "two_gate") * 6
            calls = [asyncio.ensure_future(ask(client, tool)) for tool in tools]
            await eventually("two are refused", lambda: sum(call.done() for call in calls) == 2)
            refused = [call for call in calls if call.done()]
            for call in refused:
                assert refusal(call.result())["message"].endswith("the virtual server `narrow`")
            await eventually("two are under way", lambda: one.calls("gate") + two.calls("gate") == 2)
            assert shown(here, "narrow") == (2, 8)
            assert (await ask(other, "one_ok", {"n": 1})).message["result"], "its queue is no one else's"
            assert "in_use" not in next(each for each in here.gateway.control.servers() if each["name"] == "wide")
            one.gate.set()
            two.gate.set()
            answers = await asyncio.gather(*(call for call in calls if call not in refused))
            assert {text(answer) for answer in answers} == {"through the gate"}
            assert one.calls("gate") + two.calls("gate") == 10
            assert shown(here, "narrow") == (0, 0)


async def test_a_composition_that_waits_holds_no_place_of_an_upstream(tmp_path: Path) -> None:
    async with EvilMCP() as evil:
        sources = [{"upstream": "evil"}]
        servers = {"narrow": {"sources": sources, "max_concurrency": 1}, "other": sources}
        async with site(tmp_path, {"evil": {"url": evil.url, "max_concurrency": 2}}, servers) as here:
            client, other = await agent(here.url("narrow"), "modern"), await agent(here.url("other"), "modern")
            held = [asyncio.ensure_future(ask(client, "gate")) for _ in range(5)]
            await eventually("four wait", lambda: shown(here, "narrow") == (1, 4))
            await eventually("one is under way", lambda: evil.calls("gate") == 1)
            assert (await ask(other, "ok", {"n": 1})).message["result"]
            assert (here.gateway.control.upstreams()[0]["in_use"], here.gateway.control.upstreams()[0]["waiting"]) == (
                1,
                0,
            )
            evil.gate.set()
            assert {text(answer) for answer in await asyncio.gather(*held)} == {"through the gate"}


async def test_a_call_that_was_given_up_while_it_waited_is_never_sent(tmp_path: Path) -> None:
    async with EvilMCP() as evil:
        servers = {"main": {"sources": [{"upstream": "evil"}], "max_concurrency": 1}}
        async with site(tmp_path, {"evil": {"url": evil.url}}, servers) as here:
            client = await agent(here.url(), "modern")
            held = asyncio.ensure_future(ask(client, "gate"))
            await eventually("it is under way", lambda: evil.calls("gate") == 1)
            async with client.under_way(client.calling("ok")) as second:
                await eventually("it waits", lambda: shown(here, "main") == (1, 1))
                second.reset()
                await eventually("it no longer waits", lambda: shown(here, "main") == (1, 0))
            evil.gate.set()
            assert (await held).status == 200
            assert (await ask(client, "ok", {"n": 3})).message["result"]
            assert evil.calls("ok") == 1


async def test_a_reload_keeps_calls_counted_and_applies_another_limit_at_once(tmp_path: Path) -> None:
    async with EvilMCP() as evil:
        upstreams = {"evil": {"url": evil.url}}

        def servers(**limit: int) -> dict[str, Any]:
            return {"main": {"sources": [{"upstream": "evil"}], **limit}}

        async with site(tmp_path, upstreams, servers(max_concurrency=1)) as here:
            client = await agent(here.url(), "modern")
            calls = [asyncio.ensure_future(ask(client, "gate")) for _ in range(4)]
            await eventually("three wait", lambda: shown(here, "main") == (1, 3))
            (tmp_path / "virtual_servers" / "main.yaml").write_text(json.dumps({"name": "main", "max_concurrency": 9}))
            assert not (await here.gateway.reload()).ok
            assert shown(here, "main") == (1, 3), "what was refused changes nothing"
            write(tmp_path, upstreams, servers(max_concurrency=2), {})
            assert (await here.gateway.reload()).ok
            await eventually("one more is let in", lambda: evil.calls("gate") == 2)
            assert shown(here, "main") == (2, 2)
            write(tmp_path, upstreams, servers(max_concurrency=1), {})
            assert (await here.gateway.reload()).ok
            assert shown(here, "main") == (2, 2)
            evil.gate.set()
            assert {text(answer) for answer in await asyncio.gather(*calls)} == {"through the gate"}
            assert shown(here, "main") == (0, 0)
            write(tmp_path, upstreams, servers(), {})
            assert (await here.gateway.reload()).ok
            assert "mcp_gateway_server_places_in_use{" not in here.gateway.control.metrics()
