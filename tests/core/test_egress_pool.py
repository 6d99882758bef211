"""The pool: bounded, fair, self-cleaning, and never short of a slot after a cancellation."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.connection import Connection
from mcp_gateway.core.egress.pool import Pool
from mcp_gateway.core.errors import TimedOut, Unreachable
from tests.core.egress_double import (
    JSON_OK,
    SSE_HEAD,
    Peer,
    always,
    chunk,
    client_of,
    fetch,
    serve,
    soon,
    until,
)


async def test_concurrency_is_capped_and_waiters_are_served_in_order() -> None:
    arrived: list[bytes] = []
    gate = asyncio.Semaphore(0)
    most = 0

    async def script(peer: Peer) -> None:
        nonlocal most
        while request := await peer.request():
            arrived.append(request.split(b" ")[1])
            most = max(most, server.open)
            await gate.acquire()
            peer.send(JSON_OK)

    async with serve(script) as server, client_of(server, max_connections=2) as client:
        calls = []
        for number in range(10):
            calls.append(asyncio.ensure_future(fetch(client, f"/{number}")))
            await until(lambda: client.stats.active + client.stats.waiting == len(calls))
        await until(lambda: len(arrived) == 2)
        assert (client.stats.open, client.stats.waiting) == (2, 8)
        for count in range(1, 11):
            gate.release()
            await until(partial(lambda expected: len(arrived) == expected, min(count + 2, 10)))
        await asyncio.gather(*calls)
        assert arrived[2:] == [b"/%d" % number for number in range(2, 10)]
        assert (most, server.connections) == (2, 2)
        assert (client.stats.active, client.stats.waiting) == (0, 0)


async def hang(peer: Peer) -> None:
    await peer.closed()


async def test_waiting_for_a_connection_ends_at_the_deadline_and_nothing_was_sent() -> None:
    async with serve(hang) as server, client_of(server, max_connections=1) as client:
        first = asyncio.ensure_future(fetch(client))
        await until(lambda: server.connections == 1)
        with pytest.raises(TimedOut) as caught:
            await fetch(client, deadline=soon(0.05))
        assert caught.value.sent is False
        assert client.stats.waiting == 0
        first.cancel()
        await asyncio.wait([first])


async def test_a_failed_request_hands_its_slot_to_the_next_waiter() -> None:
    async def script(peer: Peer) -> None:
        while request := await peer.request():
            if request.startswith(b"POST /bad"):
                return
            peer.send(JSON_OK)

    async with serve(script) as server, client_of(server, max_connections=1) as client:
        results = await asyncio.gather(
            *(fetch(client, "/bad" if number % 2 else "/good") for number in range(20)), return_exceptions=True
        )
        assert [type(result) for result in results] == [bytes, Unreachable] * 10
        assert client.stats.active == 0


async def test_the_last_used_connection_is_used_first() -> None:
    async def script(peer: Peer) -> None:
        number = server.connections
        while await peer.request():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    async with serve(script) as server, client_of(server) as client:
        await asyncio.gather(*(fetch(client) for _ in range(3)))
        assert client.stats.idle == 3
        assert len({await fetch(client) for _ in range(10)}) == 1


async def test_idle_connections_are_closed_after_a_while() -> None:
    async with serve(always(JSON_OK)) as server, client_of(server, idle_timeout=0.05) as client:
        await asyncio.gather(*(fetch(client) for _ in range(3)))
        await until(lambda: client.stats.open == 0 and server.open == 0)
        assert await fetch(client) == b'{"ok":true}'


async def test_a_connection_in_use_is_not_idle() -> None:
    finish = asyncio.Event()

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            if request.startswith(b"POST /slow"):
                peer.send(SSE_HEAD)
                await finish.wait()
                peer.send(chunk(b"late") + chunk(b""))
            else:
                peer.send(JSON_OK)

    async with serve(script) as server, client_of(server, idle_timeout=0.05) as client:
        slow = asyncio.ensure_future(fetch(client, "/slow"))
        await fetch(client)
        await until(lambda: client.stats.open == 1)
        finish.set()
        assert await slow == b"late"


async def test_a_connection_that_the_server_closed_is_replaced_silently() -> None:
    close = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(JSON_OK)
        if server.connections == 1:
            await close.wait()
            return
        await peer.closed()

    async with serve(script) as server, client_of(server) as client:
        await fetch(client)
        close.set()
        await until(lambda: client.stats.open == 0)
        assert await fetch(client) == b'{"ok":true}'
        assert server.connections == 2


async def test_a_request_on_a_connection_that_breaks_is_not_repeated() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        peer.send(JSON_OK)
        if request := await peer.request():
            seen.append(request)
            peer.reset()

    async with serve(script) as server, client_of(server) as client:
        await fetch(client)
        with pytest.raises(Unreachable) as caught:
            await fetch(client)
        assert caught.value.sent is True
        assert (len(seen), server.connections) == (2, 1)


async def test_closing_ends_everything() -> None:
    async def script(peer: Peer) -> None:
        while request := await peer.request():
            if request.startswith(b"POST /idle"):
                peer.send(JSON_OK)

    async with serve(script) as server, client_of(server, max_connections=2) as client:
        busy = asyncio.ensure_future(fetch(client))
        await fetch(client, "/idle")
        others = [asyncio.ensure_future(fetch(client)) for _ in range(3)]
        await until(lambda: client.stats.waiting == 2)
        await client.close()
        results = await asyncio.gather(busy, *others, return_exceptions=True)
        assert [getattr(result, "sent", None) for result in results] == [True, True, False, False]
        assert client.stats.open == 0
        with pytest.raises(Unreachable, match="closed"):
            await fetch(client)
        await until(lambda: server.open == 0)


# ---------------------------------------------------------------- cancellation


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\nabc", SSE_HEAD + chunk(b"x")]
)
async def test_cancelling_a_call_closes_its_connection_at_once(answer: bytes) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(answer)
        received.set()
        await peer.closed()
        gone.set()

    received = asyncio.Event()
    async with serve(script) as server, client_of(server) as client:
        call = asyncio.ensure_future(fetch(client))
        await received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert client.stats.open == 0
        async with asyncio.timeout(5):
            await gone.wait()


After = Callable[[Connection], None]


def after(monkeypatch: pytest.MonkeyPatch, event: str, action: After) -> None:
    """Run `action` the first time that the pool has handed over what `event` freed, before the waiter can run."""
    original = getattr(Pool, event)
    pending = [action]

    def wrapped(pool: Pool, connection: Connection) -> None:
        original(pool, connection)
        while pending:
            pending.pop()(connection)

    monkeypatch.setattr(Pool, event, wrapped)


def cancel(call: asyncio.Task[bytes]) -> None:
    call.cancel()


@asynccontextmanager
async def queue() -> AsyncIterator[tuple[list[asyncio.Task[bytes]], asyncio.Event]]:
    """One connection, a call that has it until the event is set, and two that wait for it in order."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await gate.wait()
            peer.send(JSON_OK)

    gate = asyncio.Event()
    async with serve(script) as server, client_of(server, max_connections=1) as client:
        calls = [asyncio.ensure_future(fetch(client)) for _ in range(3)]
        await until(lambda: client.stats.waiting == 2 and server.connections == 1)
        yield calls, gate
        assert await fetch(client) == b'{"ok":true}'
        assert (client.stats.open, client.stats.idle, client.stats.waiting) == (1, 1, 0)


async def test_a_connection_granted_to_a_cancelled_waiter_goes_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with queue() as (calls, gate):
        after(monkeypatch, "released", lambda _: cancel(calls[1]))
        gate.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [bytes, asyncio.CancelledError, bytes]


async def test_a_slot_granted_to_a_cancelled_waiter_goes_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with queue() as (calls, gate):
        after(monkeypatch, "lost", lambda _: cancel(calls[1]))
        calls[0].cancel()
        gate.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 2 + [bytes]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_connection_that_breaks_while_it_is_handed_over_costs_no_slot(
    monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    async with queue() as (calls, gate):

        def broken(connection: Connection) -> None:
            connection.discard()
            if cancelled:
                calls[1].cancel()

        after(monkeypatch, "released", broken)
        gate.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [bytes, asyncio.CancelledError if cancelled else bytes, bytes]


async def test_closing_while_a_connection_is_being_opened() -> None:
    async def script(peer: Peer) -> None:
        await peer.closed()

    async with serve(script) as server, client_of(server) as client:
        call = asyncio.ensure_future(fetch(client))
        await asyncio.sleep(0)
        assert client.stats.open == 1
        await client.close()
        with pytest.raises(Unreachable, match="closed") as caught:
            await call
        assert caught.value.sent is False
        assert client.stats.open == 0
        await until(lambda: server.open == 0)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def cancelled_calls(client: HttpClient, count: int, dice: random.Random) -> None:
    """Start calls, let each get somewhere, cancel them all, some twice."""
    calls = [asyncio.ensure_future(fetch(client, f"/{dice.randrange(4)}")) for _ in range(count)]
    for _ in range(dice.randrange(12)):
        await asyncio.sleep(0)
    for call in calls:
        call.cancel()
        if dice.random() < 0.3:
            call.cancel()
        if dice.random() < 0.02:
            await asyncio.sleep(0)
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, asyncio.CancelledError | bytes), result


async def test_ten_thousand_cancellations_leak_nothing() -> None:
    async def script(peer: Peer) -> None:
        while request := await peer.request():
            match request[6:7]:
                case b"0":
                    peer.send(SSE_HEAD + chunk(b"x"))
                case b"1":
                    await peer.closed()
                case _:
                    peer.send(JSON_OK)

    dice = random.Random(86)
    async with serve(script) as server, client_of(server, max_connections=8) as client:
        await fetch(client, "/2")
        before = descriptors()
        for _ in range(100):
            await cancelled_calls(client, 100, dice)
            assert (client.stats.active, client.stats.waiting) == (0, 0)
            assert client.stats.open <= 8
        assert await fetch(client, "/2") == b'{"ok":true}'
        await until(lambda: server.open == client.stats.open)
        assert descriptors() <= before + 2 * 8
