"""Stored tokens: warm, refreshed once for everybody, and never redeemed twice whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import ConnectionRequired, IdentityUnavailable, Rejected
from mcp_gateway.core.principal import GATEWAY
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.lease import NoLease
from mcp_gateway.envelopes.identity.credentials.make import Credentialing, Made, Stores
from mcp_gateway.envelopes.identity.stores import GrantKey
from mcp_gateway.settings.upstreams import HttpUpstream
from tests.envelopes.identity.as_double import AuthorizationServer, authorization_server, written
from tests.envelopes.identity.memory import MemoryVault
from tests.envelopes.identity.outbound_rig import (
    ALICE,
    BOB,
    UPSTREAM,
    Rig,
    credentials_of,
    rig,
    silent,
    soon,
    upstream,
)
from tests.upstream.doubles import until

KEY = GrantKey(ALICE.id, UPSTREAM)


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with authorization_server() as running:
        yield running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


@pytest.fixture
def spec(server: AuthorizationServer) -> HttpUpstream:
    return upstream(server, {"type": "authorization_code", "client_id": "gateway", "client_secret": Secret("s3cret")})


@pytest.fixture
def credentials(gateway: Rig, spec: HttpUpstream) -> Made:
    return credentials_of(gateway.make, spec)


async def test_a_connection_is_warm_after_its_first_use_and_nobody_elses(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())
    await gateway.consent(server, spec)
    assert credentials.at_hand(ALICE) is None
    fields = await credentials.obtain(ALICE, soon())
    assert fields["authorization"].startswith("Bearer at-")
    assert credentials.at_hand(ALICE) == fields
    assert credentials.at_hand(BOB) is None
    with pytest.raises(ConnectionRequired) as caught:
        await credentials.obtain(BOB, soon())
    assert caught.value.upstream == UPSTREAM and not caught.value.link
    assert credentials.at_hand(GATEWAY) == {}
    assert "at-" not in repr(gateway.make.hot) and "at-" not in repr(gateway.make.hot.get(ALICE.id, UPSTREAM))


async def test_fifty_calls_at_expiry_are_one_refresh(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    await gateway.age()
    found = await asyncio.gather(*(credentials.obtain(ALICE, soon()) for _ in range(50)))
    assert len({each["authorization"] for each in found}) == 1
    assert len(server.tokens("refresh_token")) == 1
    assert server.tokens("refresh_token")[0].form["resource"] == server.resource


async def test_processes_over_one_store_redeem_each_refresh_token_once(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    others = [credentials, *(credentials_of(gateway.another(), spec) for _ in range(2))]
    await gateway.consent(server, spec)
    for _ in range(3):
        await gateway.age()
        for made in gateway.others:
            made.hot.forget(ALICE.id, UPSTREAM)
        found = await asyncio.gather(*(each.obtain(ALICE, soon()) for each in others for _ in range(10)))
        assert len({fields["authorization"] for fields in found}) == 1
    redeemed = [each.form["refresh_token"] for each in server.tokens("refresh_token")]
    assert len(redeemed) == len(set(redeemed)) == 3
    assert server.reused == 0


async def test_a_token_close_to_its_end_is_refreshed_while_it_still_works(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    grant = await gateway.state.vault.read(KEY)
    assert grant is not None
    fields = await credentials.obtain(ALICE, soon())
    warm = gateway.make.hot.get(ALICE.id, UPSTREAM)
    assert warm is not None
    warm.refresh_from = warm.act_from = 0.0
    server.gate.clear()
    assert credentials.at_hand(ALICE) == fields
    await until(lambda: server.tokens("refresh_token"))
    assert credentials.at_hand(ALICE) == fields  # nobody waits
    server.gate.set()
    await until(lambda: credentials.at_hand(ALICE) != fields)
    assert len(server.tokens("refresh_token")) == 1


async def test_a_store_that_does_not_confirm_ends_the_use_of_what_is_in_memory(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    await credentials.obtain(ALICE, soon())
    deleted = await gateway.state.vault.delete(KEY)
    assert deleted is not None
    assert credentials.at_hand(ALICE) is not None  # within the bound
    warm = gateway.make.hot.get(ALICE.id, UPSTREAM)
    assert warm is not None
    warm.act_from = 0.0
    credentials.at_hand(ALICE)
    await until(lambda: credentials.at_hand(ALICE) is None)
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())


async def test_a_refused_refresh_token_asks_for_a_consent(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec, scopes=("read",))
    await gateway.age()
    server.families[0].ended = True
    for _ in range(3):
        with pytest.raises(ConnectionRequired) as caught:
            await credentials.obtain(ALICE, soon())
        assert caught.value.scopes == ("read",)
    assert len(server.tokens("refresh_token")) == 1
    assert (await gateway.state.vault.version(KEY) or (0, ""))[1] == "needs_consent"


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503])
async def test_a_server_in_trouble_is_asked_again_later_with_the_same_token(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made, status: int
) -> None:
    await gateway.consent(server, spec)
    await gateway.age()
    server.token_answer = lambda form: (status, {"message": "not an OAuth error"})
    with pytest.raises(IdentityUnavailable):
        await credentials.obtain(ALICE, soon())
    with pytest.raises(IdentityUnavailable):
        await credentials.obtain(ALICE, soon())
    assert len(server.tokens("refresh_token")) == 1  # not hammered
    server.token_answer = lambda form: None
    other = credentials_of(gateway.another(), spec)
    assert await other.obtain(ALICE, soon())
    assert server.reused == 0


async def test_an_answer_that_was_lost_costs_a_consent_and_not_the_family(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    await gateway.age()
    server.token_answer = lambda form: b""
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())
    server.token_answer = lambda form: None
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())
    assert len(server.tokens("refresh_token")) == 1 and server.reused == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": "x", "token_type": "DPoP"},
        {"access_token": "a b", "token_type": "Bearer"},
        {"access_token": "x\r\nevil: 1", "token_type": "Bearer"},
        {"access_token": 5, "token_type": "Bearer"},
        {"token_type": "Bearer"},
        {"access_token": "x", "token_type": "Bearer", "expires_in": True},
        {"access_token": "x", "token_type": "Bearer", "expires_in": -1},
        {"access_token": "x", "token_type": "Bearer", "scope": ["read"]},
    ],
)
async def test_an_answer_that_is_none_is_not_used(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made, answer: dict[str, object]
) -> None:
    await gateway.consent(server, spec)
    await gateway.age()
    server.token_answer = lambda form: written(200, answer)
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())


async def test_a_wrong_client_secret_is_the_administrators_matter_and_the_grant_stays(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    await gateway.age()
    server.clients["gateway"] = "another"
    with pytest.raises(Rejected, match="invalid_client"):
        await credentials.obtain(ALICE, soon())
    assert (await gateway.state.vault.version(KEY) or (0, ""))[1] == "active"


async def test_a_registration_that_the_server_forgot_is_made_anew_with_the_next_consent(
    server: AuthorizationServer, gateway: Rig
) -> None:
    spec = upstream(server, {"type": "authorization_code"})
    credentials = credentials_of(gateway.make, spec)
    grant = await gateway.consent(server, spec)
    assert grant.client is not None
    await gateway.age()
    del server.clients[grant.client.client_id]
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())
    again = await gateway.consent(server, spec)
    assert again.client is not None and again.client.client_id != grant.client.client_id
    assert await credentials.obtain(ALICE, soon())


async def test_a_refused_token_is_refreshed_once_and_then_a_person_is_asked(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    first = await credentials.obtain(ALICE, soon())
    challenge = Challenge(error="invalid_token", scopes=("more",))
    second = await credentials.renew(ALICE, first, 401, challenge, soon())
    assert second is not None and second != first
    assert await credentials.renew(ALICE, first, 401, challenge, soon()) == second  # refused before it was replaced
    assert len(server.tokens("refresh_token")) == 1
    with pytest.raises(ConnectionRequired) as caught:
        await credentials.renew(ALICE, second, 401, challenge, soon())
    assert caught.value.scopes == ("more",)


async def test_more_scopes_are_a_new_consent_for_the_union_and_asked_for_once(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec, scopes=("read",))
    fields = await credentials.obtain(ALICE, soon())
    challenge = Challenge(error="insufficient_scope", scopes=("write",))
    with pytest.raises(ConnectionRequired) as caught:
        await credentials.renew(ALICE, fields, 403, challenge, soon())
    assert caught.value.scopes == ("read", "write")
    await gateway.consent(server, spec, scopes=caught.value.scopes)
    other = await credentials.renew(ALICE, fields, 403, challenge, soon())
    assert other is not None and other != fields
    assert await credentials.renew(ALICE, other, 403, challenge, soon()) is None


async def test_the_gateways_own_refusal_says_that_only_people_have_accounts(credentials: Made) -> None:
    with pytest.raises(ConnectionRequired):
        await credentials.renew(GATEWAY, {}, 401, Challenge(scopes=("read",)), soon())


async def test_tokens_for_where_the_upstream_was_before_are_not_sent_to_where_it_is_now(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    assert await credentials.obtain(ALICE, soon())
    moved = credentials_of(gateway.make, spec.model_copy(update={"url": "http://127.0.0.1:9/mcp"}))
    assert moved.at_hand(ALICE) is None
    with pytest.raises(ConnectionRequired):
        await moved.obtain(ALICE, soon())


async def test_a_deadline_that_passes_ends_the_wait_and_not_the_refresh(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    await gateway.consent(server, spec)
    await gateway.age()
    server.gate.clear()
    with pytest.raises(IdentityUnavailable):
        await credentials.obtain(ALICE, soon(0.3))
    server.gate.set()
    assert await credentials.obtain(ALICE, soon())
    assert len(server.tokens("refresh_token")) == 1


async def test_revoking_tells_the_server_of_both_tokens(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream, credentials: Made
) -> None:
    grant = await gateway.consent(server, spec)
    await gateway.make.revoke(grant)
    assert [token[:3] for token in server.revoked] == ["rt-", "at-"]
    await gateway.make.revoke(replace(grant, revocation_url=""))
    assert len(server.revoked) == 2


async def test_a_warm_credential_asks_no_database(
    server: AuthorizationServer, gateway: Rig, spec: HttpUpstream
) -> None:
    vault = MemoryVault()
    await vault.store(await gateway.consent(server, spec))
    stores = Stores(vault=vault, registrations=gateway.state.registrations, lease=NoLease())
    made = Credentialing(gateway.fetcher, stores, document_url="", log=silent)
    credentials = credentials_of(made, spec)
    fields = await credentials.obtain(ALICE, soon())
    vault.down = True
    assert all(credentials.at_hand(ALICE) == fields for _ in range(10_000))
    assert vault.looks == 0
    warm = made.hot.get(ALICE.id, UPSTREAM)
    assert warm is not None
    warm.act_from = 0.0
    assert credentials.at_hand(ALICE) == fields  # a store that is away costs nothing yet
    await until(lambda: vault.looks == 1)
    await until(lambda: warm.act_from > 0.0)
    assert warm.act_from <= warm.until
    warm.until = warm.act_from = 0.0
    assert credentials.at_hand(ALICE) is None  # until nothing was confirmed for too long
    with pytest.raises(IdentityUnavailable):
        await credentials.obtain(ALICE, soon())
    await made.close()
