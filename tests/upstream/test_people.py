"""Upstreams that show themselves to people's accounts only, and credentials that are refused and renewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_gateway.calls.inventory import InventoryChanged
from mcp_gateway.calls.kinds import ToolBinding
from mcp_gateway.core.call import Json
from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import ConnectionRequired, TimedOut, Unreachable
from mcp_gateway.core.principal import GATEWAY, Principal
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.upstream.connect import Hello
from mcp_gateway.upstream.credentials import Fields
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.upstream import Upstream
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange
from tests.upstream.doubles import (
    ALICE,
    BOB,
    HANDSHAKE,
    ScriptedConnector,
    ScriptedConversation,
    log,
    text_of,
    tool_call,
    until,
)

CHALLENGE = 'Bearer error="invalid_token", scope="read", resource_metadata="https://up.example/prm"'


def refused(status: int = 401, challenge: str = CHALLENGE) -> Refused:
    return Refused(50200, f"HTTP {status}", status=status, challenge=challenge)


class People:
    """Credentials that only people have. `renewals` tells what `renew` gives."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.renewals: dict[str, str] = {}
        self.renewed: list[tuple[str, int, Challenge | None]] = []

    def at_hand(self, principal: Principal) -> Fields | None:
        if principal is GATEWAY:
            return {}
        token = self.tokens.get(principal.id)
        return None if token is None else {"authorization": token}

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        await asyncio.sleep(0)
        raise ConnectionRequired("connect first", upstream="up")

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        self.renewed.append((principal.id, status, challenge))
        if principal is GATEWAY:
            raise ConnectionRequired("people only", upstream="up")
        token = self.renewals.get(principal.id)
        if token is None:
            return None
        self.tokens[principal.id] = token
        return {"authorization": token}


class Scripted:
    """An upstream that accepts some tokens, in one era. `asked` are (method, token)."""

    def __init__(self, era: str) -> None:
        self.era = era
        self.accepted = {"alice-1", "bob-1"}
        self.open_to_all = False
        self.down = False
        self.asked: list[tuple[str, str | None]] = []
        self.conversations: list[ScriptedConversation] = []
        self.tools: list[Json] = [{"name": "file", "inputSchema": {"type": "object"}}]
        self.connector = ScriptedConnector(self.make)

    def make(self, hello: Hello) -> Conversation | Exception:
        if self.down:
            return Unreachable("down", sent=False)
        if (error := self._judge("connect", hello.headers)) is not None:
            return error
        answers = {
            method: self._answering(method, answer)
            for method, answer in (
                ("tools/list", lambda: {"tools": self.tools, "cacheScope": "public"}),
                ("resources/list", lambda: {"resources": [{"uri": "file:///private", "name": "private"}]}),
                ("tools/call", lambda: {"content": [{"type": "text", "text": "done"}], "resultType": "complete"}),
            )
        }
        conversation = ScriptedConversation(answers, version=self.era, capabilities={"tools": {}, "resources": {}})
        self.conversations.append(conversation)
        return conversation

    def count(self, method: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == method)

    def _answering(self, method: str, answer: Any) -> Any:
        def answering(params: Json, exchange: Exchange) -> Any:
            error = self._judge(method, exchange.headers)
            return answer() if error is None else error

        return answering

    def _judge(self, method: str, headers: Mapping[str, str]) -> Refused | None:
        token = headers.get("authorization")
        self.asked.append((method, token))
        return None if self.open_to_all or token in self.accepted else refused()


class Rig:
    def __init__(self, era: str) -> None:
        self.people = People()
        self.there = Scripted(era)
        self.heard: list[InventoryChanged] = []
        self.upstream = Upstream(
            "up",
            HttpUpstream(url="https://up.example/mcp"),
            self.there.connector,
            credentials=self.people,
            log=log,
            publish=lambda upstream, change: self.heard.append(change),
            recovered=lambda name: None,
        )

    async def call(self, principal: Principal, *, connects: bool = False, seconds: float = 5.0) -> str:
        binding = ToolBinding("t", "up", "t", {"name": "t"}, check=lambda _: None, connects=connects)
        modern = self.there.era == MODERN
        return text_of(
            await self.upstream.invoke(
                tool_call("up", "file", principal=principal, modern=modern, binding=binding, seconds=seconds)
            )
        )

    async def acquaint(self, principal: Principal) -> None:
        await self.upstream.acquaint(principal, asyncio.get_running_loop().time() + 5)


@asynccontextmanager
async def started(era: str) -> AsyncIterator[Rig]:
    rig = Rig(era)
    rig.upstream.start()
    try:
        await rig.upstream.tried()
        yield rig
    finally:
        await rig.upstream.close(1)


BOTH_ERAS = pytest.mark.parametrize("era", [MODERN, HANDSHAKE])


@BOTH_ERAS
async def test_an_upstream_that_refuses_the_gateway_waits_for_a_person(era: str) -> None:
    async with started(era) as rig:
        inventory = rig.upstream.inventory
        assert inventory.waits_for_person and not inventory.available and rig.upstream.health().waits_for_person
        assert rig.people.renewed == [(GATEWAY.id, 401, Challenge.parse(CHALLENGE))]
        assert rig.upstream.unread
        asked = len(rig.there.asked)
        for _ in range(3):
            await rig.acquaint(ALICE)  # nothing connected: nothing is asked
            rig.upstream.check()
            await asyncio.sleep(0)
        assert len(rig.there.asked) == asked


@BOTH_ERAS
async def test_a_persons_request_reads_the_lists_as_that_person(era: str) -> None:
    async with started(era) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        await asyncio.gather(*(rig.acquaint(ALICE) for _ in range(5)))
        inventory = rig.upstream.inventory
        assert inventory.available and not inventory.waits_for_person and not rig.upstream.unread
        assert [tool["name"] for tool in inventory.tools] == ["file"]
        assert inventory.resources == () and "resources/list" not in [method for method, _ in rig.there.asked]
        assert all(hint.private for hint in inventory.hints.values())
        assert rig.there.count("tools/list") == 1
        assert rig.heard[-1].inventory == inventory
        assert await rig.call(ALICE) == "done"
        with pytest.raises(ConnectionRequired):
            await rig.call(BOB)
        rig.people.tokens[BOB.id] = "bob-1"
        assert await rig.call(BOB) == "done"
        called = [token for method, token in rig.there.asked if method == "tools/call"]
        assert called == ["alice-1", "bob-1"]


@BOTH_ERAS
async def test_a_call_that_comes_first_reads_the_lists_too(era: str) -> None:
    async with started(era) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        assert await rig.call(ALICE) == "done"
        assert rig.upstream.inventory.available


async def test_the_session_in_which_a_person_read_serves_nobody_else() -> None:
    async with started(HANDSHAKE) as rig:
        rig.people.tokens |= {ALICE.id: "alice-1", BOB.id: "bob-1"}
        await rig.acquaint(ALICE)
        assert rig.there.conversations[-1].closed
        await rig.call(BOB)
        for conversation in rig.there.conversations:
            assert len({exchange.headers.get("authorization") for _, _, exchange in conversation.requests}) == 1


@BOTH_ERAS
async def test_the_connect_tool_needs_a_connection_and_then_says_what_there_is(era: str) -> None:
    async with started(era) as rig:
        with pytest.raises(ConnectionRequired):
            await rig.call(ALICE, connects=True)
        rig.people.tokens[ALICE.id] = "alice-1"
        assert "connected" in await rig.call(ALICE, connects=True)
        assert rig.upstream.inventory.tools and rig.there.count("tools/call") == 0


@BOTH_ERAS
async def test_a_refused_call_is_sent_once_more_with_another_credential(era: str) -> None:
    async with started(era) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        await rig.acquaint(ALICE)
        rig.there.accepted = {"alice-2"}
        rig.people.renewals[ALICE.id] = "alice-2"
        rig.people.renewed.clear()
        assert await rig.call(ALICE) == "done"
        assert rig.people.renewed == [(ALICE.id, 401, Challenge.parse(CHALLENGE))]


@BOTH_ERAS
async def test_a_second_refusal_is_passed_on(era: str) -> None:
    async with started(era) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        await rig.acquaint(ALICE)
        rig.there.accepted = set()
        rig.people.renewals[ALICE.id] = "alice-2"
        rig.people.renewed.clear()
        with pytest.raises(Refused):
            await rig.call(ALICE)
        assert len(rig.people.renewed) == 1


async def test_only_a_demand_for_scopes_renews_after_a_403() -> None:
    async with started(MODERN) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        await rig.acquaint(ALICE)
        rig.people.renewed.clear()
        (main,) = rig.there.conversations
        main.answers["tools/call"] = refused(403, "Bearer")
        with pytest.raises(Refused):
            await rig.call(ALICE)
        assert rig.people.renewed == []
        main.answers["tools/call"] = refused(403, 'Bearer error="insufficient_scope", scope="write"')
        with pytest.raises(Refused):
            await rig.call(ALICE)
        assert [(who, status) for who, status, _ in rig.people.renewed] == [(ALICE.id, 403)]


async def test_a_reading_that_takes_too_long_ends_with_the_call() -> None:
    async with started(MODERN) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        made = rig.there.make

        def slow(hello: Hello) -> Conversation | Exception:
            conversation = made(hello)
            assert isinstance(conversation, ScriptedConversation)
            conversation.gate.clear()
            return conversation

        rig.there.connector.make = slow
        with pytest.raises(TimedOut):
            await rig.call(ALICE, seconds=0.2)


async def test_what_was_read_for_people_survives_an_outage() -> None:
    async with started(MODERN) as rig:
        rig.people.tokens[ALICE.id] = "alice-1"
        await rig.acquaint(ALICE)
        supervisor: Any = rig.upstream._supervisor
        rig.there.down = True
        supervisor._retry_at = 0.0
        rig.upstream.check()
        await until(lambda: not rig.upstream.inventory.available)
        assert rig.upstream.inventory.tools and not rig.upstream.unread
        rig.there.down = False
        supervisor._retry_at = 0.0
        rig.upstream.check()
        await until(lambda: rig.upstream.inventory.available)
        assert rig.upstream.inventory.tools


async def test_an_upstream_that_opens_up_is_read_on_the_gateways_own_account() -> None:
    async with started(MODERN) as rig:
        rig.there.open_to_all = True
        supervisor: Any = rig.upstream._supervisor
        supervisor._retry_at = 0.0
        rig.upstream.check()
        await until(lambda: rig.upstream.inventory.available)
        assert rig.upstream.inventory.resources and not supervisor.waiting
