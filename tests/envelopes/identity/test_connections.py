"""Connections: who waits is woken, also by another replica's; what ends is deleted first and revoked after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.connections import Connections
from mcp_gateway.envelopes.identity.shown import show_connection, show_disconnected
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from tests.envelopes.identity.memory import MemoryVault

KEY = GrantKey("corp|alice", "tickets")
NEVER = 1e9


class Bench:
    """Connections over a vault in memory; revocations fail as often as `refusals` says."""

    def __init__(self, *, poll: float = NEVER, refusals: int = 0, pauses: tuple[float, ...] = (0.0, 0.0)) -> None:
        self.vault = MemoryVault()
        self.refusals = refusals
        self.revoked: list[Grant] = []
        self.forgotten: list[tuple[str, str]] = []
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.connections = Connections(
            self.vault,
            forget=lambda *key: self.forgotten.append(key),
            revoke=self._revoke,
            log=self,
            poll=poll,
            pauses=pauses,
        )

    def info(self, event: str, /, **facts: object) -> None:
        self.lines.append((event, facts))

    warning = info

    async def _revoke(self, grant: Grant) -> None:
        # Deleted before anybody else is told.
        assert grant.key not in self.vault.rows
        if self.refusals:
            self.refusals -= 1
            raise IdentityUnavailable("the authorization server does not answer")
        self.revoked.append(grant)


def grant(key: GrantKey = KEY, *, url: str = "https://as/revoke") -> Grant:
    tokens = Tokens(access_token=Secret("canary-access"), refresh_token=Secret("canary-refresh"), scopes=("a",))
    return Grant(key=key, kind="oauth", tokens=tokens, issuer="https://as", revocation_url=url)


def soon(seconds: float = 30.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def waiting(bench: Bench, key: GrantKey = KEY, other_than: int | None = None) -> asyncio.Task[bool]:
    """A task that waits, after its first look."""
    looks = bench.vault.looks
    task = asyncio.create_task(bench.connections.wait(key, other_than=other_than, deadline=soon()))
    while bench.vault.looks == looks:
        await asyncio.sleep(0)
    return task


async def test_what_is_there_is_not_waited_for() -> None:
    bench = Bench()
    await bench.connections.store(grant())
    assert await bench.connections.wait(KEY, other_than=None, deadline=soon())


async def test_who_waits_is_woken_when_it_is_stored() -> None:
    bench = Bench()
    task = await waiting(bench)
    assert not task.done()
    await bench.connections.store(grant())
    assert await task


async def test_the_connection_of_another_wakes_nobody() -> None:
    bench = Bench()
    task = await waiting(bench)
    for key in (GrantKey("corp|bob", "tickets"), GrantKey("corp|alice", "ledger")):
        await bench.connections.store(grant(key))
    assert not await bench.connections.wait(KEY, other_than=None, deadline=soon(0.0))
    task.cancel()


async def test_what_another_replica_stores_is_found_by_looking() -> None:
    bench = Bench(poll=0.001)
    task = await waiting(bench)
    await bench.vault.store(grant())
    assert await task


async def test_the_grant_that_was_there_before_is_not_the_one_waited_for() -> None:
    bench = Bench()
    await bench.connections.store(grant())
    before = await bench.connections.version(KEY)
    task = await waiting(bench, other_than=before)
    assert not task.done()
    await bench.connections.store(grant())
    assert await task


async def test_a_grant_that_needs_consent_is_none() -> None:
    bench = Bench()
    await bench.connections.store(grant())
    await bench.vault.exhaust(KEY, 1)
    task = await waiting(bench, other_than=1)
    assert not task.done()
    await bench.connections.store(grant())
    assert await task


async def test_the_deadline_ends_the_wait() -> None:
    assert not await Bench().connections.wait(KEY, other_than=None, deadline=soon(0.0))


async def test_a_store_that_is_down_for_a_while_is_asked_again() -> None:
    bench = Bench(poll=0.001)
    bench.vault.down = True
    task = await waiting(bench)
    bench.vault.down = False
    await bench.vault.store(grant())
    assert await task


async def test_all_who_wait_for_one_connection_share_the_looks() -> None:
    bench = Bench()
    first = await waiting(bench)
    others = [asyncio.create_task(bench.connections.wait(KEY, other_than=None, deadline=soon())) for _ in range(50)]
    await asyncio.sleep(0)
    await bench.connections.store(grant())
    assert all(await asyncio.gather(first, *others))
    assert bench.vault.looks <= 3


async def test_whoever_stops_waiting_leaves_nothing_behind() -> None:
    bench = Bench()
    before = asyncio.all_tasks()
    tasks = [await waiting(bench)]
    tasks += [asyncio.create_task(bench.connections.wait(KEY, other_than=None, deadline=soon())) for _ in range(3)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | set(tasks)


# ---------------------------------------------------------------------- ending


async def test_a_connection_is_deleted_and_then_revoked() -> None:
    bench = Bench()
    await bench.connections.store(grant())
    done = await bench.connections.disconnect(KEY, finish=True)
    assert done is not None and done.revocation == "done"
    assert bench.vault.rows == {} and len(bench.revoked) == 1
    assert bench.forgotten[-1] == ("corp|alice", "tickets")


async def test_revoking_goes_on_in_the_background() -> None:
    bench = Bench(refusals=2)
    await bench.connections.store(grant())
    done = await bench.connections.disconnect(KEY)
    assert done is not None and done.revocation == "started"
    assert await bench.connections.disconnect(KEY) is None
    await bench.connections.close()
    assert len(bench.revoked) == 1


async def test_revoking_is_given_up_after_some_attempts() -> None:
    bench = Bench(refusals=100)
    await bench.connections.store(grant())
    done = await bench.connections.disconnect(KEY, finish=True)
    assert done is not None and done.revocation == "failed"
    assert bench.refusals == 97 and bench.lines[-1][0] == "revocation failed"


async def test_where_nobody_can_be_told_nobody_is() -> None:
    bench = Bench()
    await bench.connections.store(grant(url=""))
    done = await bench.connections.disconnect(KEY, finish=True)
    assert done is not None and done.revocation == "none" and bench.revoked == []


async def test_nothing_to_end_is_none() -> None:
    bench = Bench()
    assert await bench.connections.disconnect(KEY) is None
    assert bench.forgotten == [("corp|alice", "tickets")], "another replica may have deleted it"


async def test_a_store_that_is_down_ends_nothing() -> None:
    bench = Bench()
    await bench.connections.store(grant())
    bench.vault.down = True
    with pytest.raises(IdentityUnavailable):
        await bench.connections.disconnect(KEY)
    assert bench.revoked == [] and len(bench.vault.rows) == 1


async def test_what_is_shown_and_logged_holds_no_secret() -> None:
    bench = Bench()
    await bench.connections.store(grant())
    shown = [show_connection(each) for each in await bench.connections.list(principal="corp|alice")]
    done = await bench.connections.disconnect(KEY, finish=True)
    assert done is not None
    assert show_disconnected(done) == {"principal": "corp|alice", "upstream": "tickets", "revocation": "done"}
    assert shown[0]["principal"] == "corp|alice" and shown[0]["scopes"] == ["a"] and shown[0]["refreshable"]
    assert shown[0]["created_at"].endswith("+00:00") and shown[0]["expires_at"] is None
    assert "canary" not in repr((shown, bench.lines))
