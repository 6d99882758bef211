"""Sessions with handshake-era upstreams: whose they are, and when they end."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.errors import Overloaded, TimedOut, Unreachable
from mcp_gateway.core.principal import Principal
from mcp_gateway.upstream.channel import LostHook
from mcp_gateway.upstream.events import Events
from mcp_gateway.upstream.pool import Caller, Key, SessionPool
from mcp_gateway.upstream.wire import Conversation
from tests.upstream.doubles import ALICE, BOB, HANDSHAKE, HeldSession, ScriptedConversation, until


class Opener:
    """Opens scripted conversations and records for whom."""

    def __init__(self) -> None:
        self.opened: list[tuple[Caller, ScriptedConversation, LostHook]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing = False

    async def __call__(self, caller: Caller, lost: LostHook) -> tuple[Conversation, Events]:
        await self.gate.wait()
        if self.failing:
            raise Unreachable("refused", sent=False)
        conversation = ScriptedConversation({}, version=HANDSHAKE)
        self.opened.append((caller, conversation, lost))
        return conversation, Events(lambda change: None)


def soon(seconds: float = 10.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def caller(principal: Principal, capabilities: bytes = b"", session: HeldSession | None = None) -> Caller:
    key = Key(principal.id, capabilities, session.id if session else "")
    return Caller(principal, key, {"roots": {}} if capabilities else {}, None, session)


async def test_one_conversation_for_each_key() -> None:
    opener = Opener()
    pool = SessionPool(opener, idle_timeout=60)
    opener.gate.clear()
    tasks = [asyncio.create_task(pool.borrow(caller(each), soon())) for each in (ALICE, BOB) for _ in range(20)]
    await asyncio.sleep(0)
    opener.gate.set()
    sessions = await asyncio.gather(*tasks)
    assert len(opener.opened) == 2
    assert len({id(session) for session in sessions[:20]}) == len({id(session) for session in sessions[20:]}) == 1
    assert sessions[0] is not sessions[20]
    assert sessions[0].uses == 20
    await pool.close()
    assert all(conversation.closed for _, conversation, _ in opener.opened)


async def test_a_caller_that_gives_up_does_not_end_the_opening_for_the_others() -> None:
    opener = Opener()
    opener.gate.clear()
    pool = SessionPool(opener, idle_timeout=60)
    first, second = (asyncio.create_task(pool.borrow(caller(ALICE), soon())) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(TimedOut) as caught:
        await pool.borrow(caller(ALICE), soon(0.01))
    assert not caught.value.sent
    opener.gate.set()
    assert (await second).uses == 1
    await pool.close()


async def test_a_failed_opening_fails_those_who_wait_and_nobody_after() -> None:
    opener = Opener()
    opener.failing = True
    pool = SessionPool(opener, idle_timeout=60)
    found = await asyncio.gather(*(pool.borrow(caller(ALICE), soon()) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(each, Unreachable) for each in found)
    opener.failing = False
    assert (await pool.borrow(caller(ALICE), soon())).uses == 1
    await pool.close()


async def test_idle_conversations_are_closed_and_used_ones_are_not() -> None:
    opener = Opener()
    pool = SessionPool(opener, idle_timeout=0.02)
    kept = await pool.borrow(caller(ALICE), soon())
    pool.give_back(await pool.borrow(caller(BOB), soon()))
    await until(lambda: opener.opened[1][1].closed)
    assert not kept.discarded and len(pool) == 1
    pool.give_back(kept)
    await until(lambda: opener.opened[0][1].closed)
    assert len(pool) == 0
    await pool.close()


async def test_the_longest_idle_one_makes_room_and_used_ones_do_not() -> None:
    opener = Opener()
    pool = SessionPool(opener, idle_timeout=60, limit=2)
    people = [Principal(id=f"p{number}", subject="") for number in range(4)]
    busy = await pool.borrow(caller(people[0]), soon())
    pool.give_back(await pool.borrow(caller(people[1]), soon()))
    third = await pool.borrow(caller(people[2]), soon())
    await until(lambda: opener.opened[1][1].closed)
    with pytest.raises(Overloaded):
        await pool.borrow(caller(people[3]), soon())
    assert not busy.discarded and not third.discarded
    await pool.close()


async def test_a_discarded_conversation_is_closed_after_its_last_use() -> None:
    opener = Opener()
    pool = SessionPool(opener, idle_timeout=60)
    one, same = await pool.borrow(caller(ALICE), soon()), await pool.borrow(caller(ALICE), soon())
    pool.discard(one)
    pool.discard(same)
    other = await pool.borrow(caller(ALICE), soon())
    assert other is not one
    pool.give_back(one)
    assert not opener.opened[0][1].closed
    pool.give_back(same)
    await until(lambda: opener.opened[0][1].closed)
    assert not opener.opened[1][1].closed
    await pool.close()


async def test_a_lost_channel_and_a_dead_session_are_replaced() -> None:
    opener = Opener()
    pool = SessionPool(opener, idle_timeout=60)
    pool.give_back(await pool.borrow(caller(ALICE), soon()))
    opener.opened[0][2](Unreachable("the process ended", sent=True))
    assert pool.idle(Key(ALICE.id)) is None
    pool.give_back(await pool.borrow(caller(ALICE), soon()))
    opener.opened[1][1].alive = False
    assert (await pool.borrow(caller(ALICE), soon())).conversation is opener.opened[2][1]
    await pool.close()


async def test_a_conversation_that_asks_a_client_ends_with_the_clients_session() -> None:
    opener = Opener()
    pool = SessionPool(opener, idle_timeout=60)
    client = HeldSession("s1")
    pool.give_back(await pool.borrow(caller(ALICE, b"{}", client), soon()))
    plain = await pool.borrow(caller(ALICE), soon())
    client.end()
    await until(lambda: opener.opened[0][1].closed)
    assert not plain.discarded
    await pool.close()
