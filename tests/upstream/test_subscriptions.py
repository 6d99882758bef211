"""Following resources at upstreams of both eras."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Rejected, Unreachable, UpstreamError
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.upstream.connect import Hello
from mcp_gateway.upstream.credentials import FixedHeaders
from mcp_gateway.upstream.spec import UpstreamSpec
from mcp_gateway.upstream.upstream import Upstream
from mcp_gateway.upstream.wire import MODERN, Exchange
from tests.upstream.doubles import (
    ALICE,
    BOB,
    HANDSHAKE,
    ScriptedConnector,
    ScriptedConversation,
    carry_out,
    fleet_of,
    http_server,
    log,
    stdio_module,
    tool_call,
    until,
)

PLAIN = "tests.upstreams.plain"
BALANCE = "ledger://balance"
BOTH_ERAS = pytest.mark.parametrize("era", ["modern", "legacy"])


@asynccontextmanager
async def ledger(transport: str, era: str) -> AsyncIterator[UpstreamSpec]:
    if transport == "stdio":
        yield stdio_module(PLAIN)
        return
    async with http_server(PLAIN, "--era", era) as spec:
        yield spec


@pytest.mark.parametrize(("transport", "era"), [("http", "modern"), ("http", "legacy"), ("stdio", "both")])
async def test_updates_of_a_real_server_reach_those_who_watch(transport: str, era: str) -> None:
    async with ledger(transport, era) as spec, fleet_of(ledger=spec) as fleet:
        mine: list[Json] = []
        hers: list[Json] = []
        post = {"amt": 1, "currency": "EUR", "requester": "x"}
        release = await fleet.watch("ledger", BALANCE, ANONYMOUS, mine.append)
        await fleet.watch("ledger", BALANCE, ALICE, hers.append)
        await carry_out(fleet, tool_call("ledger", "post_entry", post))
        await until(lambda: mine and hers)
        assert mine[0]["uri"] == hers[0]["uri"] == BALANCE
        assert "_meta" not in mine[0]
        release()
        release()
        before = len(mine)
        await carry_out(fleet, tool_call("ledger", "post_entry", post))
        await until(lambda: len(hers) >= 2)
        assert len(mine) == before


async def test_an_upstream_without_subscriptions_says_so() -> None:
    def make(hello: Hello) -> ScriptedConversation:
        return ScriptedConversation({}, version=HANDSHAKE, capabilities={"resources": {}})

    async with running(make) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.watch("x://1", ALICE, lambda params: None)
        assert caught.value.upstream == "up"
        assert upstream.health().sessions == 2


# ---------------------------------------------------------------- scripted upstreams


@asynccontextmanager
async def running(make: Callable[[Hello], ScriptedConversation | Exception]) -> AsyncIterator[Upstream]:
    upstream = Upstream(
        "up",
        HttpUpstream(url="http://127.0.0.1:1/mcp"),
        ScriptedConnector(make),
        credentials=FixedHeaders(),
        log=log,
        publish=lambda upstream, change: None,
        recovered=lambda name: None,
    )
    upstream.start()
    await upstream.tried()
    try:
        yield upstream
    finally:
        await upstream.close(1.0)


class Streams:
    """The listen streams of a modern upstream. `open` are those not closed, newest last."""

    def __init__(self, offered: Callable[[str], bool] = lambda uri: True) -> None:
        self.open: list[tuple[list[str], Exchange, asyncio.Future[Json]]] = []
        self.asked: list[list[str]] = []
        self._offered = offered
        self.hold_back: asyncio.Event | None = None

    def make(self, hello: Hello) -> ScriptedConversation:
        return ScriptedConversation({"subscriptions/listen": self._listen}, capabilities={"resources": {}})

    async def _listen(self, params: Json, exchange: Exchange) -> Json:
        uris = params["notifications"]["resourceSubscriptions"]
        self.asked.append(uris)
        if self.hold_back is not None:
            await self.hold_back.wait()
        honoured = [uri for uri in uris if self._offered(uri)]
        ended: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        entry = (honoured, exchange, ended)
        self.open.append(entry)
        try:
            assert exchange.notify is not None
            exchange.notify(
                "notifications/subscriptions/acknowledged", {"notifications": {"resourceSubscriptions": honoured}}
            )
            return await ended
        finally:
            self.open.remove(entry)

    def update(self, uri: str, **more: Any) -> None:
        for honoured, exchange, _ in tuple(self.open):
            if uri in honoured and exchange.notify is not None:
                exchange.notify("notifications/resources/updated", {"uri": uri, **more})


async def test_one_stream_for_each_principal_with_the_union_of_what_is_watched() -> None:
    streams = Streams()
    async with running(streams.make) as upstream:
        seen: list[str] = []

        async def watch(uri: str, who: Principal) -> Callable[[], None]:
            return await upstream.watch(uri, who, lambda params: seen.append(f"{who.subject} {params['uri']}"))

        first = await watch("x://1", ALICE)
        second = await watch("x://1", ALICE)
        await watch("x://2", ALICE)
        await watch("x://2", BOB)
        await until(lambda: len(streams.open) == 2)
        assert streams.asked == [["x://1"], ["x://1", "x://2"], ["x://2"]]
        streams.update("x://1")
        await until(lambda: len(seen) == 2)
        first()
        second()
        streams.update("x://1")
        streams.update("x://2")
        await until(lambda: len(seen) == 4)
        assert seen == ["alice x://1", "alice x://1", "alice x://2", "bob x://2"]


async def test_what_comes_on_both_streams_while_one_replaces_the_other_is_told_once() -> None:
    streams = Streams()
    async with running(streams.make) as upstream:
        seen: list[Json] = []
        await upstream.watch("x://1", ALICE, seen.append)
        streams.hold_back = asyncio.Event()
        widening = asyncio.create_task(upstream.watch("x://2", ALICE, seen.append))
        await until(lambda: len(streams.asked) == 2)
        streams.update("x://1", copy=1)
        streams.hold_back.set()
        await widening
        streams.update("x://1", copy=2)
        await until(lambda: seen)
        streams.update("x://2")
        await until(lambda: len(seen) == 2)
        assert seen == [{"uri": "x://1", "copy": 2}, {"uri": "x://2"}]


async def test_what_is_not_acknowledged_is_refused_and_leaves_the_rest_alone() -> None:
    streams = Streams(lambda uri: uri != "x://no")
    async with running(streams.make) as upstream:
        seen: list[Json] = []
        await upstream.watch("x://1", ALICE, seen.append)
        with pytest.raises(Rejected):
            await upstream.watch("x://no", ALICE, seen.append)
        await until(lambda: len(streams.open) == 1)
        streams.update("x://1")
        await until(lambda: seen)


async def test_a_stream_that_ends_is_opened_again_and_what_may_have_changed_is_told() -> None:
    streams = Streams()
    async with running(streams.make) as upstream:
        seen: list[Json] = []
        release = await upstream.watch("x://1", ALICE, seen.append)
        streams.open[0][2].set_exception(Unreachable("reset", sent=True))
        await until(lambda: seen)
        assert seen == [{"uri": "x://1"}]
        assert [honoured for honoured, _, _ in streams.open] == [["x://1"]]
        release()
        await until(lambda: not streams.open)


class Sessions:
    """A handshake-era upstream whose sessions record their subscriptions."""

    def __init__(self) -> None:
        self.made: list[tuple[Hello, ScriptedConversation]] = []

    def make(self, hello: Hello) -> ScriptedConversation:
        answers: dict[str, Any] = {
            "resources/list": {"resources": []},
            "resources/templates/list": {"resourceTemplates": []},
            "resources/subscribe": {},
            "resources/unsubscribe": {},
        }
        conversation = ScriptedConversation(answers, version=HANDSHAKE, capabilities={"resources": {"subscribe": True}})
        self.made.append((hello, conversation))
        return conversation

    def subscribed(self, number: int) -> list[str]:
        return [p["uri"] for method, p, _ in self.made[number][1].requests if method == "resources/subscribe"]


async def test_a_session_of_the_principal_holds_its_subscriptions() -> None:
    sessions = Sessions()
    async with running(sessions.make) as upstream:
        seen: list[Json] = []
        first = await upstream.watch("x://1", ALICE, seen.append)
        second = await upstream.watch("x://1", ALICE, seen.append)
        await upstream.watch("x://2", BOB, seen.append)
        # The first conversation is the gateway's own.
        assert [sessions.subscribed(number) for number in range(3)] == [[], ["x://1"], ["x://2"]]
        sessions.made[1][0].on_event("notifications/resources/updated", {"uri": "x://1/part"})
        assert seen == [{"uri": "x://1/part"}] * 2
        first()
        assert sessions.made[1][1].count("resources/unsubscribe") == 0
        second()
        await until(lambda: sessions.made[1][1].count("resources/unsubscribe") == 1)


async def test_a_lost_session_is_replaced_with_all_it_was_subscribed_to() -> None:
    sessions = Sessions()
    async with running(sessions.make) as upstream:
        seen: list[Json] = []
        await upstream.watch("x://1", ALICE, seen.append)
        await upstream.watch("x://2", ALICE, seen.append)
        sessions.made[1][1].alive = False
        await until(lambda: len(seen) == 2)
        assert sorted(sessions.subscribed(2)) == ["x://1", "x://2"]
        sessions.made[2][0].on_event("notifications/resources/updated", {"uri": "x://1"})
        assert seen[2:] == [{"uri": "x://1"}]


async def test_subscriptions_survive_that_the_upstream_changes_its_era() -> None:
    streams, sessions = Streams(), Sessions()
    modern = True

    def make(hello: Hello) -> ScriptedConversation:
        return streams.make(hello) if modern else sessions.make(hello)

    async with running(make) as upstream:
        seen: list[Json] = []
        await upstream.watch("x://1", ALICE, seen.append)
        modern = False
        assert upstream.conversation is not None and upstream.conversation.version == MODERN
        await upstream.conversation.close()
        upstream.check()
        await until(lambda: len(sessions.made) == 2 and sessions.subscribed(1) and seen)
        assert sessions.subscribed(1) == ["x://1"]
        sessions.made[1][0].on_event("notifications/resources/updated", {"uri": "x://1"})
        assert seen[-1] == {"uri": "x://1"}
        assert not streams.open
