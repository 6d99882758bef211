"""Which keys a vault needs: proved at start, changed while it is in use."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.tables import CANARIES, GRANTS, REGISTRATIONS
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Grant, GrantKey, Tokens

OLD, NEW, WRONG = b"o" * 32, b"n" * 32, b"w" * 32
ROWS = 120


def grant(number: int) -> Grant:
    tokens = Tokens(access_token=Secret(f"access-{number}"), refresh_token=Secret("r"))
    return Grant(key=GrantKey(f"corp|{number:04}", "tickets"), kind="oauth", tokens=tokens)


async def dump(state: State) -> list[tuple[object, ...]]:
    async def work(on: AsyncConnection) -> list[tuple[object, ...]]:
        return [tuple(row) for table in (CANARIES, GRANTS, REGISTRATIONS) for row in await on.execute(select(table))]

    return await state.database.read(work)


async def filled(url: Secret, *keys: bytes, rows: int = ROWS) -> list[tuple[object, ...]]:
    state = await State.open(url, keys, "one")
    try:
        for number in range(rows):
            await state.vault.store(grant(number))
        await state.registrations.put("tickets", ClientRegistration(issuer="i", client_id="c"))
        return await dump(state)
    finally:
        await state.close()


async def test_a_wrong_key_refuses_to_start_and_touches_nothing(state_url: Secret) -> None:
    before = await filled(state_url, OLD, rows=2)
    for keys in ((WRONG,), (NEW, WRONG)):
        with pytest.raises(ConfigurationError, match=r"state\.encryption_keys.*missing or wrong") as refusal:
            await State.open(state_url, keys, "one")
        assert "w" * 8 not in str(refusal.value)
    state = await State.open(state_url, (OLD,), "one")
    assert await dump(state) == before
    await state.close()


async def test_a_key_that_some_rows_still_need_cannot_be_left_out(state_url: Secret) -> None:
    await filled(state_url, OLD, rows=2)
    state = await State.open(state_url, (NEW, OLD), "one")
    await state.database.write(lambda on: on.execute(update(CANARIES).values(finished_canary(state))))
    await state.close()
    with pytest.raises(ConfigurationError, match="no longer has"):
        await State.open(state_url, (NEW,), "one")


def finished_canary(state: State) -> dict[str, object]:
    """A canary under the first key, as a replica that had finished would have left it."""
    sealed = state.vault._envelopes.seal(b"the canary sings", ("canary", "one"))
    return {"kek": sealed.kek, "wrapped": sealed.wrapped, "sealed": sealed.text}


async def test_without_a_canary_rows_of_an_unknown_key_refuse_to_start(state_url: Secret) -> None:
    await filled(state_url, OLD, rows=1)
    state = await State.open(state_url, (OLD,), "one")
    await state.database.write(lambda on: on.execute(CANARIES.delete()))
    await state.close()
    with pytest.raises(ConfigurationError, match="missing or wrong"):
        await State.open(state_url, (WRONG,), "one")


async def test_replicas_that_start_at_once_agree_on_the_key(state_url: Secret) -> None:
    opened = await asyncio.gather(
        *(State.open(state_url, (key,), "one") for key in (OLD, NEW, OLD, NEW)), return_exceptions=True
    )
    states = [each for each in opened if isinstance(each, State)]
    assert len(states) == 2
    assert sum(isinstance(each, ConfigurationError) for each in opened) == 2
    for state in states:
        await state.close()


async def test_after_rewrapping_the_old_key_is_not_needed(state_url: Secret) -> None:
    await filled(state_url, OLD)
    state = await State.open(state_url, (NEW, OLD), "one")
    use = await state.rewrap.use()
    assert (use.first, use.other) == (0, ROWS + 2)
    total = 0
    while seen := await state.rewrap.some(50):
        assert seen <= 50
        total += seen
    assert total == ROWS + 2
    use = await state.rewrap.use()
    assert (use.first, use.other) == (ROWS + 2, 0)
    assert await state.rewrap.some(50) == 0
    await state.close()
    state = await State.open(state_url, (NEW,), "one")
    for number in range(ROWS):
        read = await state.vault.read(grant(number).key)
        assert read is not None and read.tokens.access_token == Secret(f"access-{number}")
    assert await state.registrations.get("tickets", "i") is not None
    await state.close()


async def test_rewrapping_that_stopped_is_taken_up_by_another(state_url: Secret) -> None:
    await filled(state_url, OLD)
    first = await State.open(state_url, (NEW, OLD), "one")
    assert await first.rewrap.some(30) == 30
    await first.close()
    second = await State.open(state_url, (NEW, OLD), "one")
    assert (await second.rewrap.use()).other == ROWS + 2 - 30
    while await second.rewrap.some(30):
        pass
    assert (await second.rewrap.use()).other == 0
    await second.close()


async def test_rows_change_while_two_replicas_rewrap(state_url: Secret) -> None:
    await filled(state_url, OLD)
    one, two = [await State.open(state_url, (NEW, OLD), "one") for _ in range(2)]

    async def rewrap(state: State) -> None:
        while await state.rewrap.some(7):
            pass

    async def change(state: State) -> None:
        for number in range(0, ROWS, 3):
            key = grant(number).key
            read = await state.vault.read(key)
            assert read is not None
            assert await state.vault.redeem(key, read.version, seconds=60) == "mine"
            token = Secret(f"renewed-{number}-{secrets.token_hex(2)}")
            settled = await state.vault.settle(key, read.version, Tokens(access_token=token))
            assert settled is not None
            assert await state.vault.read(key) == settled

    await asyncio.gather(rewrap(one), rewrap(two), change(one))
    while await one.rewrap.some(50):
        pass
    assert (await one.rewrap.use()).other == 0
    for number in range(ROWS):
        read = await two.vault.read(grant(number).key)
        assert read is not None and read.tokens.access_token is not None
        assert read.tokens.access_token.reveal().startswith("access-" if number % 3 else f"renewed-{number}-")
    await one.close()
    await two.close()


async def test_a_row_that_does_not_open_does_not_stop_the_others_and_keeps_the_canary(state_url: Secret) -> None:
    await filled(state_url, OLD, rows=10)
    state = await State.open(state_url, (NEW, OLD), "one")
    broken = update(GRANTS).where(GRANTS.c.principal == "corp|0000").values(wrapped=b"nonsense")
    await state.database.write(lambda on: on.execute(broken))
    for _ in range(2):
        while await state.rewrap.some(4):
            pass
    use = await state.rewrap.use()
    assert (use.first, use.other) == (10, 2)
    await state.vault.delete(grant(0).key)
    while await state.rewrap.some(4):
        pass
    assert (await state.rewrap.use()).other == 0
    await state.close()


async def test_a_state_that_was_started_rewraps_in_the_background(state_url: Secret) -> None:
    await filled(state_url, OLD)
    state = await State.open(state_url, (NEW, OLD), "one")
    state.start()
    async with asyncio.timeout(20):
        while (await state.rewrap.use()).other:
            await asyncio.sleep(0)
    await state.close()
