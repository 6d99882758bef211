"""Flows and registrations: kept for other replicas, sealed, and flows taken once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.tables import FLOWS, REGISTRATIONS
from mcp_gateway.envelopes.identity.flows import StoredFlows
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import ClientRegistration
from tests.support_state import KEY

HERE = ClientRegistration(
    issuer="https://as.example",
    client_id="client",
    client_secret=Secret("secret"),
    auth_method="client_secret_basic",
    expires_at=12.5,
    redirect_uri="https://gw.example/connect/callback",
)


@pytest.fixture
async def state(state_url: Secret) -> AsyncIterator[State]:
    opened = await State.open(state_url, (KEY,), "one")
    yield opened
    await opened.close()


async def count(state: State) -> int:
    return await state.database.read(lambda on: on.scalar(select(func.count()).select_from(FLOWS))) or 0


async def test_a_flow_is_taken_once_even_by_many_at_once(state: State, state_url: Secret) -> None:
    other = await State.open(state_url, (KEY,), "one")
    await state.flows.put("state", b"\x00payload", seconds=60)
    taken = await asyncio.gather(*(flows.take("state") for flows in [state.flows, other.flows] * 6))
    await other.close()
    assert sorted(taken, key=str) == sorted([b"\x00payload"] + [None] * 11, key=str)
    assert await count(state) == 0


async def test_an_expired_flow_is_not_given_and_gone(state: State) -> None:
    await state.flows.put("state", b"payload", seconds=-1)
    assert await state.flows.take("state") is None
    assert await count(state) == 0


async def test_no_flow_lasts_longer_than_ten_minutes(state: State) -> None:
    await state.flows.put("state", b"payload", seconds=1e9)
    asked = select(FLOWS.c.expires_at - state.database.now)
    left = await state.database.read(lambda on: on.scalar(asked))
    assert left is not None and 0 < left <= 600


@pytest.mark.parametrize("id", ["", "unknown", "\0", "\ud800", "x" * 100_000], ids=lambda text: ascii(text[:10]))
async def test_an_unknown_flow_is_none(state: State, id: str) -> None:
    await state.flows.put("state", b"payload", seconds=60)
    assert await state.flows.take(id) is None


async def test_a_flow_of_another_id_or_tenant_does_not_open(state: State, state_url: Secret) -> None:
    await state.flows.put("one", b"payload of one", seconds=60)
    other = await State.open(state_url, (KEY,), "two")
    assert await other.flows.take("one") is None
    await state.database.write(lambda on: on.execute(update(FLOWS).values(tenant="two")))
    assert await other.flows.take("one") is None
    await other.close()


async def test_sweeping_removes_the_expired_and_the_oldest_of_too_many(state: State) -> None:
    flows = StoredFlows(state.database, Sealer((KEY,), "flow"), tenant="one", most=5)
    await flows.put("expired", b"", seconds=-1)
    for number in range(9):
        await flows.put(str(number), b"%d" % number, seconds=60 + number)
    await flows.sweep()
    assert await count(state) == 5
    assert [await flows.take(str(number)) for number in range(9)] == [None] * 4 + [b"4", b"5", b"6", b"7", b"8"]


async def test_putting_keeps_the_table_bounded(state: State) -> None:
    flows = StoredFlows(state.database, Sealer((KEY,), "flow"), tenant="one", most=4)
    for number in range(20):
        await flows.put(str(number), b"", seconds=60)
        assert await count(state) <= 8
    assert await flows.take("19") == b""


async def test_a_registration_is_kept_for_its_issuer_only(state: State) -> None:
    await state.registrations.put("tickets", HERE)
    assert await state.registrations.get("tickets", "https://as.example") == HERE
    for upstream, issuer in [
        ("tickets", "https://as.example/"),
        ("tickets", "https://evil.example"),
        ("ledger", HERE.issuer),
    ]:
        assert await state.registrations.get(upstream, issuer) is None
    later = replace(HERE, client_id="other", client_secret=None)
    await state.registrations.put("tickets", later)
    assert await state.registrations.get("tickets", HERE.issuer) == later
    await state.registrations.drop("tickets", HERE.issuer)
    assert await state.registrations.get("tickets", HERE.issuer) is None


async def test_a_registration_moved_to_another_issuer_does_not_open(state: State) -> None:
    await state.registrations.put("tickets", HERE)
    moved = update(REGISTRATIONS).values(issuer="https://evil.example")
    await state.database.write(lambda on: on.execute(moved))
    assert await state.registrations.get("tickets", "https://evil.example") is None
