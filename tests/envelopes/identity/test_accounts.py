"""Virtual accounts: a key opens one account until it is rotated, revoked or expired, and nothing else does."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.tables import ACCOUNT_KEYS
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import AccountExists, VirtualAccount
from tests.support_state import KEY

NIGHTLY = VirtualAccount(name="nightly", teams=("ops", "data"), scopes=("desk.use",), owner="corp|alice")


@pytest.fixture
async def state(state_url: Secret) -> AsyncIterator[State]:
    opened = await State.open(state_url, (KEY,), "one")
    yield opened
    await opened.close()


async def test_a_key_finds_its_account(state: State) -> None:
    key = await state.accounts.create(NIGHTLY)
    other = await state.accounts.create(VirtualAccount(name="hourly"))
    found = await state.accounts.find(key)
    assert found is not None
    assert abs(found.created_at - time.time()) < 60
    assert replace(found, created_at=0.0) == NIGHTLY
    found = await state.accounts.find(other)
    assert found is not None and found.name == "hourly"


async def test_keys_have_their_form_and_are_different(state: State) -> None:
    keys = {(await state.accounts.create(VirtualAccount(name=f"a{n}"))).reveal() for n in range(5)}
    assert len(keys) == 5
    assert all(re.fullmatch(r"mgk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", key) for key in keys)


async def test_only_the_digest_is_stored(state: State) -> None:
    key = (await state.accounts.create(NIGHTLY)).reveal()

    async def dump(on: AsyncConnection) -> str:
        return str((await on.execute(select(ACCOUNT_KEYS))).all()) + str(
            (await on.execute(text("SELECT * FROM mcp_accounts"))).all()
        )

    assert key.split("_", 2)[2] not in await state.database.read(dump)


async def test_a_key_with_another_secret_finds_nothing(state: State) -> None:
    key = (await state.accounts.create(NIGHTLY)).reveal()
    head, secret = key[:-43], key[-43:]
    other = "A" if secret[0] != "A" else "B"
    assert await state.accounts.find(Secret(head + other + secret[1:])) is None
    assert await state.accounts.find(Secret(key.swapcase())) is None


NOT_KEYS = [
    "",
    "mgk_",
    "mgk_' OR 1=1--_" + "a" * 43,
    "mgk_0123456789ab_" + "a" * 42,
    "mgk_0123456789ab_" + "a" * 44,
    "mgk_0123456789ab_" + "a" * 42 + "\0",
    "mgk_0123456789ab_" + "a" * 43 + "\n",
    "mgk_\u0661\u0662\u06633456789ab_" + "a" * 43,
    "mgk_%s%s%s%s%s%s_" + "{0}" * 14,
    "x" * 1_000_000,
    "mgk_" * 250_000,
    "\ud800",
]


@pytest.mark.parametrize("text", NOT_KEYS, ids=lambda text: ascii(text[:40]))
async def test_what_is_no_key_never_reaches_the_database(state: State, text: str) -> None:
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(state.database._engine.sync_engine, "before_cursor_execute", note)
    assert await state.accounts.find(Secret(text)) is None
    assert asked == []


async def test_keys_are_bound_parameters(state: State) -> None:
    key = await state.accounts.create(NIGHTLY)
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(state.database._engine.sync_engine, "before_cursor_execute", note)
    await state.accounts.find(key)
    assert statements and not any(key.reveal().split("_")[1] in statement for statement in statements)


async def test_an_expired_account_is_not_found(state: State) -> None:
    expired = await state.accounts.create(replace(NIGHTLY, expires_at=time.time() - 1))
    lasting = await state.accounts.create(VirtualAccount(name="lasting", expires_at=time.time() + 1000))
    assert await state.accounts.find(expired) is None
    assert await state.accounts.find(lasting) is not None


async def test_a_name_is_used_once(state: State) -> None:
    await state.accounts.create(NIGHTLY)
    with pytest.raises(AccountExists):
        await state.accounts.create(NIGHTLY)
    await state.accounts.revoke("nightly")
    with pytest.raises(AccountExists):
        await state.accounts.create(NIGHTLY)


async def test_revoking_ends_every_key(state: State) -> None:
    old = await state.accounts.create(NIGHTLY)
    new = await state.accounts.rotate("nightly", grace=1000)
    assert new is not None
    assert await state.accounts.revoke("nightly")
    assert await state.accounts.find(old) is None
    assert await state.accounts.find(new) is None
    assert await state.accounts.rotate("nightly") is None
    (account,) = await state.accounts.list()
    assert account.revoked_at is not None
    assert await state.accounts.revoke("nightly")
    assert (await state.accounts.list())[0].revoked_at == account.revoked_at
    assert not await state.accounts.revoke("unknown")


async def test_rotating_ends_the_old_key_now_or_after_its_grace(state: State) -> None:
    first = await state.accounts.create(NIGHTLY)
    second = await state.accounts.rotate("nightly")
    assert second is not None
    assert await state.accounts.find(first) is None
    third = await state.accounts.rotate("nightly", grace=1000)
    assert third is not None
    assert await state.accounts.find(second) is not None
    assert await state.accounts.find(third) is not None
    fourth = await state.accounts.rotate("nightly")
    assert fourth is not None
    assert await state.accounts.find(second) is None
    assert await state.accounts.find(third) is None
    found = await state.accounts.find(fourth)
    assert found is not None and found.rotated_at is not None
    assert await state.accounts.rotate("unknown") is None


async def test_rotating_again_does_not_lengthen_a_grace(state: State) -> None:
    await state.accounts.create(NIGHTLY)
    await state.accounts.rotate("nightly", grace=100)
    await state.accounts.rotate("nightly", grace=100_000)
    untils = await state.database.read(lambda on: on.scalars(select(ACCOUNT_KEYS.c.until)))
    left = sorted(until - time.time() for until in untils if until is not None)
    assert len(left) == 2
    assert left[0] < 200 < left[1]


async def test_accounts_of_another_tenant_are_not_there(state: State, state_url: Secret) -> None:
    key = await state.accounts.create(NIGHTLY)
    other = await State.open(state_url, (KEY,), "two")
    assert await other.accounts.find(key) is None
    assert await other.accounts.list() == ()
    assert not await other.accounts.revoke("nightly")
    assert await other.accounts.create(NIGHTLY) != key
    await other.close()
    assert await state.accounts.find(key) is not None
