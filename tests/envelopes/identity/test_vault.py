"""The vault: what is stored comes back to its principal only, and every change is a compare-and-set."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database, Work
from mcp_gateway.core.state.tables import GRANTS
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Grant, GrantKey, Tokens
from tests.support_state import KEY

ALICE = GrantKey("corp|alice", "tickets")
BOB = GrantKey("corp|bob", "tickets")


def grant(key: GrantKey = ALICE, token: str = "access-1", refresh: str | None = "refresh-1") -> Grant:
    return Grant(
        key=key,
        kind="oauth",
        tokens=Tokens(
            access_token=Secret(token),
            refresh_token=None if refresh is None else Secret(refresh),
            expires_at=2_000_000_000.5,
            scopes=("read", "write"),
        ),
        issuer="https://as.example",
        resource="https://tickets.example/mcp",
        token_url="https://as.example/token",
        revocation_url="https://as.example/revoke",
        client=ClientRegistration(
            issuer="https://as.example", client_id="c", client_secret=Secret("client-secret"), expires_at=1.5
        ),
        asked=("read", "write", "offline_access"),
        agent="Desk agent",
    )


async def test_what_is_stored_comes_back_whole(state: State) -> None:
    stored = await state.vault.store(grant())
    assert await state.vault.read(ALICE) == stored
    assert replace(stored, version=0, created_at=0.0, updated_at=0.0) == grant()


async def test_header_values_come_back_whole(state: State) -> None:
    values = Tokens(headers={"x-api-key": Secret("käse"), "authorization": Secret("Basic abc")})
    stored = await state.vault.store(Grant(key=ALICE, kind="header", tokens=values))
    assert await state.vault.read(ALICE) == stored
    assert stored.tokens.headers == values.headers


async def test_a_grant_belongs_to_one_principal_at_one_upstream(state: State) -> None:
    await state.vault.store(grant())
    others = [
        BOB,
        GrantKey("corp|Alice", "tickets"),
        GrantKey("corp|alice ", "tickets"),
        GrantKey("corp|alice\0", "tickets"),
        GrantKey("corp|alic\N{LATIN SMALL LETTER E WITH ACUTE}", "tickets"),
        GrantKey("\ud800", "tickets"),
        GrantKey("corp|alice", "ledger"),
        GrantKey("corp|%", "tickets"),
        GrantKey("", ""),
    ]
    for other in others:
        assert await state.vault.read(other) is None
        assert await state.vault.version(other) is None
        assert await state.vault.delete(other) is None
    assert await state.vault.read(ALICE) is not None


async def test_unicode_forms_of_a_name_are_different_names(state: State) -> None:
    composed, decomposed = GrantKey("corp|caf\u00e9", "tickets"), GrantKey("corp|cafe\u0301", "tickets")
    await state.vault.store(grant(composed, "composed"))
    assert await state.vault.read(decomposed) is None
    await state.vault.store(grant(decomposed, "decomposed"))
    read = await state.vault.read(composed)
    assert read is not None and read.tokens.access_token == Secret("composed")


async def test_tenants_do_not_see_each_other(state: State, state_url: Secret) -> None:
    await state.vault.store(grant())
    other = await State.open(state_url, (b"o" * 32,), "two")
    try:
        assert await other.vault.read(ALICE) is None
        assert await other.vault.connections() == ()
        assert await other.vault.delete(ALICE) is None
    finally:
        await other.close()
    assert await state.vault.read(ALICE) is not None


async def test_a_consent_replaces_what_was_there_and_its_claim(state: State) -> None:
    first = await state.vault.store(grant())
    assert await state.vault.redeem(ALICE, first.version, seconds=60) == "mine"
    second = await state.vault.store(grant(token="access-2"))
    assert second.version > first.version
    assert await state.vault.settle(ALICE, first.version, Tokens(access_token=Secret("late"))) is None
    read = await state.vault.read(ALICE)
    assert read is not None and read.tokens.access_token == Secret("access-2")
    assert await state.vault.redeem(ALICE, second.version, seconds=60) == "mine"


async def test_consents_at_once_leave_one_whole_grant(state: State) -> None:
    stored = await asyncio.gather(*(state.vault.store(grant(token=f"access-{n}")) for n in range(12)))
    assert len({each.version for each in stored}) == 12
    assert await state.vault.read(ALICE) == max(stored, key=lambda each: each.version)


async def test_exactly_one_of_many_claims_is_mine(state: State, state_url: Secret) -> None:
    other = await State.open(state_url, (KEY,), "one")
    try:
        version = (await state.vault.store(grant())).version
        vaults = [state.vault, other.vault] * 15
        answers = await asyncio.gather(*(vault.redeem(ALICE, version, seconds=60) for vault in vaults))
    finally:
        await other.close()
    assert sorted(answers) == ["mine"] + ["theirs"] * 29


async def test_settling_persists_all_tokens_and_ends_the_claim(state: State) -> None:
    first = await state.vault.store(grant())
    assert await state.vault.redeem(ALICE, first.version, seconds=60) == "mine"
    settled = await state.vault.settle(ALICE, first.version, Tokens(access_token=Secret("access-2")))
    assert settled is not None
    assert settled.version == first.version + 1
    assert settled.tokens == Tokens(access_token=Secret("access-2"))
    assert settled.client == first.client
    assert await state.vault.read(ALICE) == settled
    assert await state.vault.redeem(ALICE, first.version, seconds=60) == "changed"
    assert await state.vault.redeem(ALICE, settled.version, seconds=60) == "mine"


async def test_a_claim_of_another_process_cannot_be_settled_given_back_or_exhausted(
    state: State, state_url: Secret
) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=60) == "mine"
    other = await State.open(state_url, (KEY,), "one")
    try:
        assert await other.vault.settle(ALICE, version, Tokens()) is None
        await other.vault.unclaim(ALICE, version)
        await other.vault.exhaust(ALICE, version)
        assert await other.vault.redeem(ALICE, version, seconds=60) == "theirs"
    finally:
        await other.close()
    assert await state.vault.version(ALICE) == (version, "active")


async def test_a_claim_that_is_given_back_can_be_had_again(state: State) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=60) == "mine"
    await state.vault.unclaim(ALICE, version)
    assert await state.vault.redeem(ALICE, version, seconds=60) == "mine"


async def test_a_claim_that_ran_out_makes_a_person_act(state: State) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=-1) == "mine"
    assert await state.vault.redeem(ALICE, version, seconds=60) == "changed"
    assert await state.vault.version(ALICE) == (version + 1, "needs_consent")
    assert await state.vault.redeem(ALICE, version + 1, seconds=60) == "changed"
    read = await state.vault.read(ALICE)
    assert read is not None and read.tokens.refresh_token == Secret("refresh-1")  # to be revoked
    assert await state.vault.settle(ALICE, version, Tokens()) is None


async def test_a_claim_that_an_outage_left_unused_is_had_by_the_next_who_asks(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = (await state.vault.store(grant())).version
    write = Database.write

    async def committed_and_not_heard(self: Database, work: Work[Any]) -> Any:
        await write(self, work)
        raise IdentityUnavailable("the answer got lost")

    with monkeypatch.context() as broken:
        broken.setattr(Database, "write", committed_and_not_heard)
        with pytest.raises(IdentityUnavailable):
            await state.vault.redeem(ALICE, version, seconds=-1)
    answers = await asyncio.gather(*(state.vault.redeem(ALICE, version, seconds=60) for _ in range(5)))
    assert sorted(answers) == ["mine"] + ["theirs"] * 4
    assert await state.vault.settle(ALICE, version, Tokens(access_token=Secret("access-2"))) is not None


async def test_a_claim_that_could_not_be_given_back_is_had_by_the_next_who_asks(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=-1) == "mine"

    async def away(self: Database, work: Work[Any]) -> Any:
        raise IdentityUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(Database, "write", away)
        with pytest.raises(IdentityUnavailable):
            await state.vault.unclaim(ALICE, version)
    assert await state.vault.redeem(ALICE, version, seconds=60) == "mine"
    assert await state.vault.redeem(ALICE, version, seconds=60) == "theirs"


async def test_a_claim_whose_answer_could_not_be_stored_is_nobodys(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=-1) == "mine"

    async def away(self: Database, work: Work[Any]) -> Any:
        raise IdentityUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(Database, "write", away)
        with pytest.raises(IdentityUnavailable):
            await state.vault.settle(ALICE, version, Tokens())
    assert await state.vault.redeem(ALICE, version, seconds=60) == "changed"
    assert await state.vault.version(ALICE) == (version + 1, "needs_consent")


async def test_who_finds_a_lost_claim_at_once_marks_it_once(state: State) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=-1) == "mine"
    answers = await asyncio.gather(*(state.vault.redeem(ALICE, version, seconds=60) for _ in range(10)))
    assert set(answers) == {"changed"}
    assert await state.vault.version(ALICE) == (version + 1, "needs_consent")


async def test_a_late_answer_is_kept_if_nobody_gave_the_claim_up_yet(state: State) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=-1) == "mine"
    settled = await state.vault.settle(ALICE, version, Tokens(access_token=Secret("late")))
    assert settled is not None and settled.status == "active"


async def test_an_exhausted_grant_needs_consent_and_a_consent_revives_it(state: State) -> None:
    version = (await state.vault.store(grant())).version
    await state.vault.exhaust(ALICE, version - 1)
    assert await state.vault.version(ALICE) == (version, "active")
    await state.vault.exhaust(ALICE, version)
    assert await state.vault.version(ALICE) == (version + 1, "needs_consent")
    again = await state.vault.store(grant())
    assert again.version > version + 1
    assert await state.vault.version(ALICE) == (again.version, "active")


async def test_a_refresh_under_way_cannot_bring_a_removed_grant_back(state: State) -> None:
    version = (await state.vault.store(grant())).version
    assert await state.vault.redeem(ALICE, version, seconds=60) == "mine"
    removed = await state.vault.delete(ALICE)
    assert removed is not None and removed.tokens.refresh_token == Secret("refresh-1")
    assert await state.vault.settle(ALICE, version, Tokens()) is None
    assert await state.vault.read(ALICE) is None
    assert await state.vault.redeem(ALICE, version, seconds=60) == "changed"


async def test_a_connection_made_again_never_has_an_earlier_version(state: State) -> None:
    seen = set()
    for _ in range(5):
        version = (await state.vault.store(grant())).version
        await state.vault.exhaust(ALICE, version)
        seen |= {version, version + 1}
        await state.vault.delete(ALICE)
        assert await state.vault.settle(ALICE, version, Tokens()) is None
    assert len(seen) == 10


async def test_connections_show_no_secret_and_filter(state: State) -> None:
    await state.vault.store(grant(BOB, refresh=None))
    stored = await state.vault.store(grant())
    await state.vault.store(Grant(key=GrantKey("corp|alice", "ledger"), kind="header", tokens=Tokens()))
    found = await state.vault.connections()
    assert [(each.principal, each.upstream) for each in found] == [
        ("corp|alice", "ledger"),
        ("corp|alice", "tickets"),
        ("corp|bob", "tickets"),
    ]
    shown = found[1]
    assert (shown.scopes, shown.refreshable, shown.agent) == (("read", "write"), True, "Desk agent")
    assert (shown.version, shown.expires_at, shown.status) == (stored.version, 2_000_000_000.5, "active")
    assert found[2].refreshable is False
    assert "access-1" not in repr(found) and "client-secret" not in repr(found)
    assert [each.upstream for each in await state.vault.connections(principal="corp|alice")] == ["ledger", "tickets"]
    assert [each.principal for each in await state.vault.connections(upstream="tickets")] == ["corp|alice", "corp|bob"]
    assert await state.vault.connections(principal="corp|bob", upstream="ledger") == ()
    assert await state.vault.connections(principal="corp|\0") == ()


async def opens(state: State, key: GrantKey) -> bool:
    try:
        return await state.vault.read(key) is not None
    except IdentityUnavailable:
        return False


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"resource": "https://evil.example/mcp"},
        {"principal": "corp|mallory"},
        {"upstream": "ledger"},
        {"tenant": "two"},
        {"version": 1},
        {"kind": "header"},
        {"agent": "Another agent"},
        {"status": "needs_consent"},
    ],
    ids=str,
)
async def test_a_row_that_was_changed_does_not_open(
    state: State, state_url: Secret, changed: dict[str, object]
) -> None:
    await state.vault.store(grant())

    async def tamper(on: AsyncConnection) -> None:
        await on.execute(update(GRANTS).values(changed))

    await state.database.write(tamper)
    key = GrantKey(str(changed.get("principal", ALICE.principal)), str(changed.get("upstream", ALICE.upstream)))
    if "tenant" in changed:
        other = await State.open(state_url, (KEY,), "two")
        assert not await opens(other, key)
        await other.close()
    else:
        assert not await opens(state, key)
        removed = await state.vault.delete(key)
        assert removed is not None and removed.tokens == Tokens()


async def test_swapped_texts_do_not_open(state: State) -> None:
    await state.vault.store(grant(ALICE, "alice-token"))
    await state.vault.store(grant(BOB, "bob-token"))

    async def swap(on: AsyncConnection) -> None:
        rows = (await on.execute(select(GRANTS))).mappings().all()
        for row, other in zip(rows, reversed(rows), strict=True):
            values = {name: other[name] for name in ("kek", "wrapped", "sealed")}
            await on.execute(update(GRANTS).where(GRANTS.c.principal == row["principal"]).values(values))

    await state.database.write(swap)
    for key in (ALICE, BOB):
        with pytest.raises(IdentityUnavailable, match="does not open"):
            await state.vault.read(key)


async def test_the_text_of_an_earlier_version_does_not_open(state: State) -> None:
    first = await state.vault.store(grant(token="old"))
    row = (await state.database.read(lambda on: on.execute(select(GRANTS)))).mappings().one()
    await state.vault.settle(ALICE, first.version, Tokens(access_token=Secret("new")))
    values = {name: row[name] for name in ("kek", "wrapped", "sealed")}
    await state.database.write(lambda on: on.execute(update(GRANTS).values(values)))
    assert not await opens(state, ALICE)


async def test_no_secret_is_in_the_database_in_the_clear(state: State) -> None:
    await state.vault.store(grant(token="canary-access", refresh="canary-refresh"))
    await state.registrations.put(
        "tickets", ClientRegistration(issuer="i", client_id="c", client_secret=Secret("canary-client"))
    )
    await state.flows.put("canary-state", b"canary-verifier", seconds=60)

    async def dump(on: AsyncConnection) -> str:
        tables = ("mcp_grants", "mcp_registrations", "mcp_flows", "mcp_canaries")
        return "".join([str((await on.execute(text(f"SELECT * FROM {name}"))).all()) for name in tables])

    assert "canary-" not in await state.database.read(dump)


async def test_text_that_no_database_holds_is_refused(state: State) -> None:
    for wrong in (grant(GrantKey("a\0b", "u")), grant(GrantKey("\udfff", "u")), replace(grant(), agent="\0")):
        with pytest.raises(ValueError, match="cannot be stored"):
            await state.vault.store(wrong)
