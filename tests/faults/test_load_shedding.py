"""Too much at once: refused early and said so, and nothing is left behind by those who go away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.faults.agents import ERAS, Agent, Era, agent
from tests.faults.site import Site, eventually, site
from tests.faults.wire import Answer, exchange, line
from tests.upstreams.evil import EvilMCP


async def ask(here: Agent, tool: str, arguments: Any = None, **options: Any) -> Answer:
    return await exchange(here.url, here.packed(here.calling(tool, arguments, **options)))


async def seen(evil: EvilMCP, tool: str, count: int) -> None:
    await eventually(f"{count} calls of {tool} arrived", lambda: evil.calls(tool) >= count)


def data(answer: Answer, code: int, reason: str) -> dict[str, Any]:
    """That `answer` is this error; its `data`."""
    error = answer.message["error"]
    assert (error["code"], error["data"]["reason"]) == (code, reason), error
    return dict(error["data"])


def echoed(answer: Answer) -> Any:
    return answer.message["result"]["structuredContent"]["echo"]


# ---------------------------------------------------------------- caps


@pytest.mark.parametrize("era", ERAS)
async def test_beyond_the_requests_in_flight_is_503_until_one_ends(tmp_path: Path, era: Era) -> None:
    limits = {"in_flight": 2}
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url}}, limits=limits) as here:
        client = await agent(here.url(), era)
        held = [asyncio.ensure_future(ask(client, "gate")) for _ in range(2)]
        await seen(evil, "gate", 2)
        for _ in range(10):
            refused = await ask(client, "ok")
            assert refused.status == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.headers["x-request-id"]
            assert data(refused, 50300, "overloaded")["retryAfterMs"] >= 1
        assert evil.calls("ok") == 0
        evil.gate.set()
        assert [answer.status for answer in await asyncio.gather(*held)] == [200, 200]
        assert echoed(await ask(client, "ok", {"n": 1})) == {"n": 1}


@pytest.mark.parametrize("era", ERAS)
async def test_an_upstream_has_its_places_and_a_queue_before_them(tmp_path: Path, era: Era) -> None:
    async with EvilMCP() as evil, EvilMCP() as well:
        upstreams = {"evil": {"url": evil.url, "max_concurrency": 2}, "well": {"url": well.url}}
        sources = [{"upstream": "evil"}, {"upstream": "well", "prefix": "well_"}]
        async with site(tmp_path, upstreams, {"main": sources}) as here:
            client = await agent(here.url(), era)
            calls = [asyncio.ensure_future(ask(client, "gate")) for _ in range(12)]
            refused, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            await eventually("two are refused", lambda: sum(call.done() for call in calls) == 2)
            refused = {call for call in calls if call.done()}
            waiting = set(calls) - refused
            for call in refused:
                assert call.result().status == 200
                assert data(call.result(), 50300, "overloaded")["retryAfterMs"] >= 1
            assert echoed(await ask(client, "well_ok", {"n": 1})) == {"n": 1}, "its queue is no one else's"
            assert evil.calls("gate") == 2
            evil.gate.set()
            for answer in await asyncio.gather(*waiting):
                assert answer.message["result"]["content"][0]["text"] == "through the gate"
            assert evil.calls("gate") == 10


async def test_a_call_that_waited_until_its_deadline_is_never_sent(tmp_path: Path) -> None:
    async with EvilMCP() as evil:
        sources = [{"upstream": "evil"}]
        servers = {"long": sources, "short": {"sources": sources, "timeout": "300ms"}}
        async with site(tmp_path, {"evil": {"url": evil.url, "max_concurrency": 1}}, servers) as here:
            patient, hasty = await agent(here.url("long"), "modern"), await agent(here.url("short"), "modern")
            held = asyncio.ensure_future(ask(patient, "gate"))
            await seen(evil, "gate", 1)
            data(await ask(hasty, "ok"), 50400, "upstream_timeout")
            assert here.gateway.control.upstreams()[0]["breaker"] == "closed", (
                "waiting here is no fault of the upstream"
            )
            evil.gate.set()
            assert (await held).message["result"]
            assert evil.calls("ok") == 0
            assert echoed(await ask(hasty, "ok", {"n": 1})) == {"n": 1}


async def test_a_call_that_was_given_up_while_it_waited_is_never_sent(tmp_path: Path) -> None:
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url, "max_concurrency": 1}}) as here:
        client = await agent(here.url(), "modern")
        held = asyncio.ensure_future(ask(client, "gate"))
        await seen(evil, "gate", 1)
        async with client.under_way(client.calling("ok")) as second:
            await eventually("it waits", lambda: here.gateway.control.upstreams()[0]["waiting"] == 1)
            second.reset()
            await eventually("it no longer waits", lambda: here.gateway.control.upstreams()[0]["waiting"] == 0)
        evil.gate.set()
        assert (await held).status == 200
        assert echoed(await ask(client, "ok", {"n": 3})) == {"n": 3}
        assert evil.calls("ok") == 1


# ---------------------------------------------------------------- breaker


@pytest.mark.parametrize("era", ERAS)
async def test_a_failing_upstream_is_left_alone_and_then_tried_once(tmp_path: Path, era: Era) -> None:
    breaker = {"failures": 3, "cooldown": "400ms"}
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url, "breaker": breaker}}) as here:
        client = await agent(here.url(), era)
        for _ in range(3):
            data(await ask(client, "reset_before_headers"), 50200, "upstream_unavailable")
        assert here.gateway.control.upstreams()[0]["breaker"] == "open"
        for _ in range(20):
            data(await ask(client, "ok"), 50200, "upstream_unavailable")
        assert evil.calls("ok") == 0, "nothing reaches an upstream whose breaker is open"
        await eventually("it cooled down", lambda: here.gateway.control.upstreams()[0]["breaker"] == "half-open")
        probes = [asyncio.ensure_future(ask(client, "gate")) for _ in range(5)]
        await eventually("all but one are refused", lambda: sum(probe.done() for probe in probes) == 4)
        assert evil.calls("gate") == 1
        evil.gate.set()
        await asyncio.gather(*probes)
        assert here.gateway.control.upstreams()[0]["breaker"] == "closed"
        assert echoed(await ask(client, "ok", {"n": 1})) == {"n": 1}


async def test_a_probe_that_fails_opens_the_breaker_again(tmp_path: Path) -> None:
    breaker = {"failures": 1, "cooldown": "200ms"}
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url, "breaker": breaker}}) as here:
        client = await agent(here.url(), "modern")
        await ask(client, "reset_mid_body")
        await eventually("it cooled down", lambda: here.gateway.control.upstreams()[0]["breaker"] == "half-open")
        await ask(client, "reset_mid_body")
        assert here.gateway.control.upstreams()[0]["breaker"] == "open"
        assert evil.calls("reset_mid_body") == 2


async def test_an_upstream_that_answers_with_errors_is_not_left_alone(tmp_path: Path) -> None:
    breaker = {"failures": 2, "cooldown": "1h"}
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url, "breaker": breaker}}) as here:
        client = await agent(here.url(), "modern")
        for tool in ("rpc_error", "tool_error", "status_429") * 3:
            await ask(client, tool)
        assert here.gateway.control.upstreams()[0]["breaker"] == "closed"
        assert evil.calls() == 9


@pytest.mark.parametrize("limit", ["upstream", "server"])
async def test_an_upstream_that_hangs_opens_the_breaker_whoever_loses_patience(
    tmp_path: Path, limit: Literal["upstream", "server"]
) -> None:
    patience = {"upstream": "30s", "server": "60s", limit: "200ms"}
    async with EvilMCP() as evil:
        upstream = {"url": evil.url, "timeout": patience["upstream"], "breaker": {"failures": 2, "cooldown": "1h"}}
        server = {"sources": [{"upstream": "evil"}], "timeout": patience["server"]}
        async with site(tmp_path, {"evil": upstream}, {"main": server}) as here:
            client = await agent(here.url(), "modern")
            for _ in range(2):
                data(await ask(client, "hang"), 50400, "upstream_timeout")
            data(await ask(client, "ok"), 50200, "upstream_unavailable")
            assert evil.calls("ok") == 0


# ---------------------------------------------------------------- slow clients


async def test_clients_that_send_nothing_keep_nobody_out(tmp_path: Path) -> None:
    limits = {"header_timeout": "1s", "body_timeout": "1s", "keepalive": "1s"}
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url}}, limits=limits) as here:
        clients = [await agent(here.url(), era) for era in ERAS]
        whole = clients[0].packed(clients[0].calling("ok"))
        async with contextlib.AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(line(here.url())) for _ in range(300)]
            for index, one in enumerate(slow):
                await one.send(whole[: (0, 20, len(whole) - 10)[index % 3]])
            for client in clients:
                assert echoed(await ask(client, "ok", {"n": 1})) == {"n": 1}
            endings = await asyncio.gather(*(one.ended() for one in slow))
        assert {ending.split(b"\r\n")[0] for ending in endings} <= {b"", b"HTTP/1.1 408 Request Timeout"}
        assert sum(ending.startswith(b"HTTP/1.1 408") for ending in endings) >= 200, "half a request is told why"
        assert evil.calls() == len(clients)
        await eventually("nothing is left", lambda: here.gateway.drain.count == 0)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_does_not_read_holds_up_nobody(tmp_path: Path, era: Era) -> None:
    """Its stream is filled by an upstream that never stops; the call ends by its deadline, others go on meanwhile."""
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url, "timeout": "1s"}}) as here:
        client, other = await agent(here.url(), era), await agent(here.url(), era)
        meta = {"io.modelcontextprotocol/logLevel": "debug"} if era == "modern" else {}
        before = here.footprint(evil)
        call = client.calling("infinite_notifications", meta={**meta, "progressToken": "t"})
        async with line(here.url()) as deaf:
            deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]  # there is no public way
            await deaf.send(client.packed(call))
            await seen(evil, "infinite_notifications", 1)
            for n in range(50):
                assert echoed(await ask(other, "ok", {"n": n})) == {"n": n}
            await evil.ended("infinite_notifications")
        await eventually("nothing is left", lambda: here.gateway.drain.count == 0)
        await eventually("nothing more is held", lambda: here.footprint(evil) <= before)


# ---------------------------------------------------------------- clients that go away


@contextlib.asynccontextmanager
async def calm(folder: Path, **upstream: Any) -> AsyncIterator[tuple[Site, EvilMCP]]:
    """A gateway that must be as it was, at the end, when nobody is there any more."""
    settings = {"breaker": {"failures": 1_000}, **upstream}
    async with EvilMCP() as evil, site(folder, {"evil": {"url": evil.url, **settings}}) as here:
        for era in ERAS:
            await ask(await agent(here.url(), era), "ok")
        before = here.footprint(evil)
        yield here, evil
        await eventually("no request is left", lambda: here.gateway.drain.count == 0)
        await eventually("no connection is in use", lambda: here.pool("evil").active == 0)
        assert here.pool("evil").waiting == 0
        assert "mcp_gateway_requests_in_flight 0\n" in here.gateway.control.metrics()
        await eventually("no task, no descriptor is left", lambda: _within(here.footprint(evil), before))
        for era in ERAS:
            assert echoed(await ask(await agent(here.url(), era), "ok", {"n": 1})) == {"n": 1}


def _within(now: tuple[int, int], before: tuple[int, int]) -> bool:
    return now[0] <= before[0] and now[1] <= before[1]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("part", [0.0, 0.2, 0.6, 0.99, 1.0])
async def test_clients_that_leave_while_they_send_leave_nothing(tmp_path: Path, era: Era, part: float) -> None:
    async with calm(tmp_path) as (here, evil):
        client = await agent(here.url(), era)
        whole = client.packed(client.calling("ok", {"padding": "x" * 1000}))
        before = evil.calls()

        async def leave() -> None:
            async with line(here.url()) as one:
                await one.send(whole[: int(len(whole) * part)])
                one.reset()

        for _ in range(5):
            await asyncio.gather(*(leave() for _ in range(20)))
        assert part == 1.0 or evil.calls() == before, "half a call was carried out"


@pytest.mark.parametrize("era", ERAS)
async def test_clients_that_leave_while_they_wait_leave_nothing(tmp_path: Path, era: Era) -> None:
    async with calm(tmp_path, timeout="20s", max_concurrency=200) as (here, evil):
        for burst in range(1, 3):
            clients = [await agent(here.url(), era) for _ in range(100)]
            async with contextlib.AsyncExitStack() as stack:
                lines = [
                    await stack.enter_async_context(client.under_way(client.calling("gate"))) for client in clients
                ]
                await seen(evil, "gate", 100 * burst)
                for one in lines:
                    one.reset()
            if era == "handshake":
                # Leaving cancels nothing in this era: the calls run on, to be asked for again.
                assert here.gateway.drain.count == 100
                evil.gate.set()
                await eventually("they ended", lambda: here.gateway.drain.count == 0)
                evil.gate.clear()
        evil.gate.set()
        outcome = ("cancelled", "cancelled") if era == "modern" else ("ok", None)
        await eventually("all are on record", lambda: len(here.outcomes(target="gate")) == 200)
        assert set(here.outcomes(target="gate")) == {outcome}


@pytest.mark.parametrize("era", ERAS)
async def test_clients_that_leave_in_the_midst_of_an_answer_leave_nothing(tmp_path: Path, era: Era) -> None:
    async with calm(tmp_path, timeout="1500ms", max_concurrency=200) as (here, evil):
        clients = [await agent(here.url(), era) for _ in range(100)]
        async with contextlib.AsyncExitStack() as stack:
            for client in clients:
                call = client.calling("hang_mid_sse", meta={"progressToken": "p"})
                one = await stack.enter_async_context(client.under_way(call))
                status, headers = await one.head()
                assert (status, headers["content-type"]) == (200, "text/event-stream")
                one.reset()
        assert evil.calls("hang_mid_sse") == 100


async def test_clients_that_leave_while_connections_are_short_leave_nothing(tmp_path: Path) -> None:
    """Places are few, so that calls are given up while they wait, while they connect and while they are answered."""
    async with calm(tmp_path, max_concurrency=4) as (here, _):
        client = await agent(here.url(), "modern")

        async def leave(after: int) -> None:
            async with client.under_way(client.calling("trickle" if after % 2 else "ok")) as one:
                for _ in range(after):
                    await asyncio.sleep(0)
                one.reset()

        for _ in range(10):
            await asyncio.gather(*(leave(after) for after in range(50)))


# ---------------------------------------------------------------- cancelling


@pytest.mark.parametrize("client_era", ERAS)
@pytest.mark.parametrize("upstream_era", ["modern", "legacy"])
async def test_cancelling_reaches_the_upstream(tmp_path: Path, client_era: Era, upstream_era: Any) -> None:
    async with EvilMCP(era=upstream_era) as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        client = await agent(here.url(), client_era)
        call = client.calling("hang", id="the client's own")
        async with client.under_way(call) as one:
            await seen(evil, "hang", 1)
            if client_era == "modern":
                one.reset()
            else:
                told = await client.tell("notifications/cancelled", {"requestId": call["id"], "reason": "enough"})
                assert told.status == 202
                assert (await one.answer()).messages == [], "a request that was cancelled has no answer"
            await asyncio.wait_for(evil.ended("hang"), 10)
        if upstream_era == "legacy":
            await eventually("the upstream is told", lambda: evil.methods()["notifications/cancelled"] == 1)
            cancelled = next(seen for seen in evil.requests if seen.method == "notifications/cancelled")
            asked = next(seen for seen in evil.requests if seen.tool == "hang")
            assert cancelled.params["requestId"] == asked.id
            assert cancelled.headers["mcp-session-id"] == asked.headers["mcp-session-id"]
        else:
            assert evil.methods()["notifications/cancelled"] == 0, "closing the stream is how this era says it"
        await eventually("it is on record", lambda: here.outcomes(target="hang") == [("cancelled", "cancelled")])
        assert echoed(await ask(client, "ok", {"n": 1})) == {"n": 1}


async def test_a_session_cancels_only_its_own_requests(tmp_path: Path) -> None:
    async with EvilMCP() as evil, site(tmp_path, {"evil": {"url": evil.url}}) as here:
        mine, theirs = await agent(here.url(), "handshake"), await agent(here.url(), "handshake")
        call = mine.calling("gate", id=1)
        async with mine.under_way(call) as one:
            await seen(evil, "gate", 1)
            assert (await theirs.tell("notifications/cancelled", {"requestId": 1})).status == 202
            for params in ({}, {"requestId": None}, {"requestId": "1"}, {"requestId": True}, {"requestId": [1]}):
                assert (await mine.tell("notifications/cancelled", params)).status == 202
            evil.gate.set()
            assert (await one.answer()).message["result"]["content"][0]["text"] == "through the gate"
