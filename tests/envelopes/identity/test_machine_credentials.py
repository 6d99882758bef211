"""Credentials without a page in between: the gateway's own, exchanged ones, those by an identity provider's word."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import ConnectionRequired, Forbidden, IdentityUnavailable, Rejected
from mcp_gateway.core.principal import ANONYMOUS, GATEWAY, Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.credentials.make import Made
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from tests.envelopes.identity.as_double import (
    EXCHANGE,
    JWT_BEARER,
    AuthorizationServer,
    authorization_server,
)
from tests.envelopes.identity.outbound_rig import ALICE, BOB, UPSTREAM, Rig, credentials_of, rig, soon, upstream
from tests.upstream.doubles import until

SECRET = {"client_id": "gateway", "client_secret": Secret("s3cret")}


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with authorization_server() as running:
        yield running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


def made(gateway: Rig, server: AuthorizationServer, kind: str, **auth: Any) -> Made:
    given = {"type": kind, "token_url": f"{server.origin}/token", **SECRET, **auth}
    return credentials_of(gateway.make, upstream(server, {key: value for key, value in given.items() if value}))


def jwt_like(claims: Mapping[str, object]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


def answering(server: AuthorizationServer, **changes: Any) -> None:
    """The exchange succeeds, and differs in `changes`."""
    answer = {"access_token": "x", "token_type": "Bearer", "issued_token_type": ACCESS, "expires_in": 60, **changes}
    server.token_answer = lambda form: (200, answer) if form["grant_type"] == EXCHANGE else None


ACCESS = "urn:ietf:params:oauth:token-type:access_token"


# ---------------------------------------------------------------- the gateway's own


async def test_everybody_shares_the_gateways_own_token(server: AuthorizationServer, gateway: Rig) -> None:
    credentials = made(gateway, server, "client_credentials", scopes=["read"])
    found = await asyncio.gather(*(credentials.obtain(who, soon()) for who in (ALICE, BOB, GATEWAY, ANONYMOUS) * 10))
    assert len({fields["authorization"] for fields in found}) == 1
    (asked,) = server.tokens()
    assert asked.form["scope"] == "read" and asked.form["resource"] == server.resource
    assert "subject-alice" not in str(server.seen)
    assert credentials.at_hand(BOB) == found[0]


async def test_a_private_key_proves_the_client(server: AuthorizationServer, gateway: Rig) -> None:
    key = ECKey.generate_key("P-256")
    pem = Secret(key.as_pem(private=True).decode())
    credentials = made(
        gateway, server, "client_credentials", token_url=None, issuer=server.origin, client_secret=None, private_key=pem
    )
    assert await credentials.obtain(GATEWAY, soon())
    (asked,) = server.tokens()
    assert "client_secret" not in asked.form and "authorization" not in asked.headers
    claims = jwt.decode(asked.form["client_assertion"], key, algorithms=["ES256"]).claims
    assert claims["iss"] == claims["sub"] == "gateway" and claims["aud"] == server.origin
    assert claims["exp"] - claims["iat"] == 60 and claims["jti"]


async def test_a_refused_own_token_is_replaced_unless_it_is_brand_new(
    server: AuthorizationServer, gateway: Rig
) -> None:
    credentials = made(gateway, server, "client_credentials")
    fields = await credentials.obtain(ALICE, soon())
    assert await credentials.renew(ALICE, fields, 401, None, soon()) is None
    assert await credentials.renew(ALICE, {"authorization": "Bearer old"}, 401, None, soon()) == fields


async def test_a_server_that_is_away_is_not_hammered(server: AuthorizationServer, gateway: Rig) -> None:
    credentials = made(gateway, server, "client_credentials")
    server.token_answer = lambda form: (503, {})
    for _ in range(5):
        with pytest.raises(IdentityUnavailable):
            await credentials.obtain(ALICE, soon())
    assert len(server.tokens()) == 1
    server.token_answer = lambda form: (401, {"error": "invalid_client"})
    await until(lambda: _minted(credentials)._clock() >= _minted(credentials)._refusals[b"own"][0])
    for _ in range(5):
        with pytest.raises(Rejected, match="invalid_client"):
            await credentials.obtain(ALICE, soon())
    assert len(server.tokens()) == 2


def _minted(credentials: Any) -> Any:
    return credentials._minted


# ---------------------------------------------------------------- token exchange


async def test_each_caller_and_agent_has_an_exchange_of_its_own(server: AuthorizationServer, gateway: Rig) -> None:
    credentials = made(gateway, server, "token_exchange", scopes=["file"], audience="tickets-api")
    other_agent = Principal(id=ALICE.id, subject="alice", client_id="agent-c", token=ALICE.token)
    found: list[str] = []
    for _ in range(3):
        found = [(await credentials.obtain(who, soon()))["authorization"] for who in (ALICE, BOB, other_agent)]
        assert len(set(found)) == 3
        assert "x-subject-alice" in found[0] and "x-subject-bob" in found[1]
    assert len(server.tokens(EXCHANGE)) == 3
    asked = server.tokens(EXCHANGE)[0].form
    assert asked["audience"] == "tickets-api" and asked["scope"] == "file" and "resource" not in asked
    assert credentials.at_hand(ALICE) == {"authorization": found[0]}
    assert "subject-alice" not in f"{credentials.__dict__} {_minted(credentials).__dict__}"


async def test_the_agent_is_named_by_a_signed_token_where_there_is_a_key(
    server: AuthorizationServer, gateway: Rig
) -> None:
    key = ECKey.generate_key("P-256")
    pem = Secret(key.as_pem(private=True).decode())
    credentials = made(gateway, server, "token_exchange", client_secret=None, private_key=pem)
    await credentials.obtain(ALICE, soon())
    (asked,) = server.tokens(EXCHANGE)
    claims = jwt.decode(asked.form["actor_token"], key, algorithms=["ES256"]).claims
    assert claims["sub"] == "agent-a" and claims["iss"] == "gateway"
    assert asked.form["resource"] == server.resource


async def test_a_caller_without_a_token_is_refused_without_asking(server: AuthorizationServer, gateway: Rig) -> None:
    credentials = made(gateway, server, "token_exchange")
    for who in (ANONYMOUS, Principal(id="virtual_account:ci", subject="ci", kind="virtual_account")):
        assert credentials.at_hand(who) is None
        with pytest.raises(Forbidden):
            await credentials.obtain(who, soon())
    assert server.seen == []


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "file admin"},
        {"access_token": jwt_like({"aud": "somewhere-else"})},
        {"access_token": jwt_like({"aud": ["a", "b"]})},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"token_type": "N_A"},
    ],
)
async def test_an_exchange_that_gives_something_else_is_discarded(
    server: AuthorizationServer, gateway: Rig, changes: dict[str, object]
) -> None:
    credentials = made(gateway, server, "token_exchange", scopes=["file"], audience="tickets-api")
    answering(server, **changes)
    with pytest.raises((Rejected, IdentityUnavailable)):
        await credentials.obtain(ALICE, soon())
    assert credentials.at_hand(ALICE) is None


@pytest.mark.parametrize("changes", [{"scope": "file"}, {"access_token": jwt_like({"aud": ["tickets-api", "x"]})}])
async def test_an_exchange_that_gives_what_was_asked_is_used(
    server: AuthorizationServer, gateway: Rig, changes: dict[str, object]
) -> None:
    credentials = made(gateway, server, "token_exchange", scopes=["file", "read"], audience="tickets-api")
    answering(server, **changes)
    assert await credentials.obtain(ALICE, soon())


async def test_a_demand_for_more_is_one_exchange_more(server: AuthorizationServer, gateway: Rig) -> None:
    credentials = made(gateway, server, "token_exchange", scopes=["read"])
    fields = await credentials.obtain(ALICE, soon())
    challenge = Challenge(error="insufficient_scope", scopes=("write",))
    wider = await credentials.renew(ALICE, fields, 403, challenge, soon())
    assert wider is not None and wider != fields
    assert server.tokens(EXCHANGE)[-1].form["scope"] == "read write"
    assert await credentials.renew(ALICE, wider, 403, challenge, soon()) is None
    assert credentials.at_hand(ALICE) == wider
    assert len(server.tokens(EXCHANGE)) == 2


async def test_a_demand_that_the_server_does_not_grant_leaves_what_works(
    server: AuthorizationServer, gateway: Rig
) -> None:
    credentials = made(gateway, server, "token_exchange", scopes=["read"])
    fields = await credentials.obtain(ALICE, soon())
    server.token_answer = lambda form: (400, {"error": "invalid_scope"})
    challenge = Challenge(error="insufficient_scope", scopes=("write",))
    assert await credentials.renew(ALICE, fields, 403, challenge, soon()) is None
    assert credentials.at_hand(ALICE) == fields


async def test_the_gateway_lists_with_a_token_of_its_own_where_it_gets_one(
    server: AuthorizationServer, gateway: Rig
) -> None:
    credentials = made(gateway, server, "token_exchange")
    assert (await credentials.obtain(GATEWAY, soon()))["authorization"].startswith("Bearer own-")
    server.token_answer = lambda form: (400, {"error": "unauthorized_client"})
    other = made(gateway, server, "token_exchange")
    assert await other.obtain(GATEWAY, soon()) == {}
    with pytest.raises(ConnectionRequired):
        await other.renew(GATEWAY, {}, 401, None, soon())


# ---------------------------------------------------------------- ID-JAG


async def test_an_id_jag_is_had_once_and_then_redeemed(server: AuthorizationServer, gateway: Rig) -> None:
    async with authorization_server() as idp:
        auth = {"idp_token_url": f"{idp.origin}/token", "audience": server.origin, "scopes": ["read"]}
        credentials = made(gateway, server, "id_jag", **auth)
        fields = await asyncio.gather(*(credentials.obtain(ALICE, soon()) for _ in range(10)))
        assert len({each["authorization"] for each in fields}) == 1
        (asked,) = idp.tokens(EXCHANGE)
        assert asked.form["audience"] == server.origin and asked.form["resource"] == server.resource
        assert asked.form["requested_token_type"].endswith(":id-jag") and asked.form["subject_token"] == "subject-alice"
        (redeemed,) = server.tokens(JWT_BEARER)
        assert redeemed.form["assertion"].startswith("jag-subject-alice")
        assert "subject-alice" not in redeemed.form.values()
        await credentials.obtain(BOB, soon())
        assert len(idp.tokens(EXCHANGE)) == 2


async def test_a_kept_id_jag_that_is_used_up_is_replaced_once(server: AuthorizationServer, gateway: Rig) -> None:
    async with authorization_server() as idp:
        credentials = made(gateway, server, "id_jag", idp_token_url=f"{idp.origin}/token", audience=server.origin)
        await credentials.obtain(ALICE, soon())
        first = server.tokens(JWT_BEARER)[0].form["assertion"]
        server.token_answer = lambda form: (400, {"error": "invalid_grant"}) if form.get("assertion") == first else None
        _minted(credentials)._tokens.clear()
        assert await credentials.obtain(ALICE, soon())
        assert len(idp.tokens(EXCHANGE)) == 2
        server.token_answer = lambda form: (400, {"error": "invalid_grant"})
        _minted(credentials)._tokens.clear()
        with pytest.raises(Rejected):
            await credentials.obtain(ALICE, soon())
        assert len(idp.tokens(EXCHANGE)) == 3


# ---------------------------------------------------------------- headers of each person


async def test_each_persons_header_is_their_own(server: AuthorizationServer, gateway: Rig) -> None:
    auth = {"type": "header", "level": "per_user", "headers": {"X-Key": None}}
    credentials = credentials_of(gateway.make, upstream(server, auth))
    tokens = Tokens(headers={"x-key": Secret("alices")})
    await gateway.state.vault.store(Grant(key=GrantKey(ALICE.id, UPSTREAM), kind="header", tokens=tokens))
    assert await credentials.obtain(ALICE, soon()) == {"x-key": "alices"}
    assert credentials.at_hand(ALICE) == {"x-key": "alices"}
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(BOB, soon())
    assert await credentials.obtain(GATEWAY, soon()) == {}
    with pytest.raises(ConnectionRequired):
        await credentials.renew(ALICE, {"x-key": "alices"}, 401, None, soon())
    with pytest.raises(ConnectionRequired):
        await credentials.obtain(ALICE, soon())
