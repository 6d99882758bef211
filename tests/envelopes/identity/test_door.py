"""The door: who gets in, and as whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import InsufficientScope, Unauthenticated
from mcp_gateway.core.principal import ANONYMOUS
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.door import Door
from mcp_gateway.envelopes.identity.issuer import Issuer
from mcp_gateway.envelopes.identity.verify import Verify
from tests.envelopes.identity.issuing import DESK, NOW, bearer_of, curve_keys, issuer_double, public, request, rsa_key
from tests.envelopes.identity.site import OTHER, refused, site

GUARDED = replace(DESK, scopes=("desk.use", "desk.read"))


# ---------------------------------------------------------------- who gets in


async def test_a_good_token_is_its_person() -> None:
    async with site() as s:
        token = s.idp.token(email="a@example.com", groups=["ops", "dev"], act={"sub": "agent-9"}, dept="x")
        principal = await s.enter(token)
    assert principal.id == "corp|alice" and principal.subject == "alice" and principal.issuer == s.idp.issuer
    assert (principal.email, principal.teams) == ("a@example.com", ("ops", "dev"))
    assert (principal.scopes, principal.client_id, principal.actors) == (
        frozenset({"desk.use"}),
        "agent-1",
        ("agent-9",),
    )
    assert principal.claims["dept"] == "x" and principal.token == Secret(token) and token not in repr(principal)


async def test_a_known_token_needs_no_waiting_until_it_ends() -> None:
    async with site() as s:
        scope = bearer_of([s.idp.token(exp=NOW + 120)])
        assert s.door.recall(scope, DESK) is None
        principal = await s.door.verify(scope, DESK)
        s.clock.passed = 119.0
        assert s.door.recall(scope, DESK) is principal
        s.clock.passed = 120.0
        assert await refused(s.door, scope) == "expired"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS384", "PS256"])
async def test_every_algorithm_that_is_allowed_works_with_its_key(algorithm: str) -> None:
    key = curve_keys().get(algorithm) or rsa_key("k1")
    async with site(algorithms=[algorithm]) as s:
        s.idp.keys = [public(key)]
        assert (await s.enter(s.idp.token(key=key, header={"alg": algorithm}))).subject == "alice"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR  "])
async def test_the_name_of_the_scheme_has_no_case(scheme: str) -> None:
    async with site() as s:
        scope = request(f"{scheme} {s.idp.token()}")
        assert (await s.door.verify(scope, DESK)).subject == "alice"


async def test_a_token_for_several_audiences_is_good_at_each_and_nowhere_else() -> None:
    async with site() as s:
        token = s.idp.token(aud=[DESK.uri, "https://elsewhere.test"])
        assert await s.enter(token)
        assert await s.refused(token, resource=OTHER) == "audience"
        both = s.idp.token(aud=[DESK.uri, OTHER.uri])
        assert await s.enter(both) is await s.enter(both, resource=OTHER)


async def test_a_configured_audience_is_good_everywhere() -> None:
    async with site(audiences=["urn:gateway"]) as s:
        token = s.idp.token(aud="urn:gateway")
        assert await s.enter(token) is await s.enter(token, resource=OTHER)
        assert await s.refused(s.idp.token(aud="urn:other")) == "audience"
        assert await s.enter(s.idp.token())


# ---------------------------------------------------------------- T7


async def test_there_is_exactly_one_credential() -> None:
    async with site() as s:
        good, bad = s.idp.token(), s.idp.token(aud="x")
        assert await s.enter(good)
        for tokens in ((good, bad), (bad, good), (good, good)):
            assert await s.refused(*tokens) == "several_credentials"
        for credential in (
            f"Bearer {good}, Bearer {bad}", f"Bearer {good},{bad}", f"Bearer\t{good}", f"Bearer{good}",
            f"Bearer {good} x", f"Basic {good}", f"DPoP {good}", f"Token {good}", good, "Bearer", "Bearer ", "",
            f"Bearer ={good}",
            f"Bearer {good[:-1]}=x", f"Bearer {good}\u00e9", "Bearer \u0661\u0662",
        ):  # fmt: skip
            assert await refused(s.door, request(credential)) == "not_a_bearer_token", credential


@pytest.mark.parametrize("query", ["access_token={}", "a=1&access_token={}", "a=1;access_token={}", "access_token"])
async def test_a_token_in_the_url_is_none_even_beside_a_good_one(query: str) -> None:
    async with site(anonymous=True) as s:
        token = s.idp.token()
        assert await s.enter(token)
        assert await refused(s.door, request(f"Bearer {token}", query=query.format(token))) == "token_in_query"
        assert await refused(s.door, request(query=query.format(token))) == "token_in_query"


async def test_another_query_changes_nothing() -> None:
    async with site() as s:
        scope = request(f"Bearer {s.idp.token()}", query="x=1&my_access_token=2")
        assert (await s.door.verify(scope, DESK)).subject == "alice"


async def test_a_token_beyond_16_kib_is_not_looked_at() -> None:
    async with site() as s:
        assert await s.refused("a" * 16_385) == "not_a_bearer_token"
        assert await s.refused("a" * 1_000_000) == "not_a_bearer_token"
        assert s.idp.asked.total() == 0
        assert s.door.refused == 2


# ---------------------------------------------------------------- nobody, and anonymous


async def test_without_a_credential_the_challenge_names_no_error() -> None:
    async with site() as s:
        assert s.door.recall(request(), GUARDED) is None
        with pytest.raises(Unauthenticated) as caught:
            await s.door.verify(request(), GUARDED)
    assert Challenge.parse(caught.value.challenge) == Challenge(
        error=None,
        scopes=("desk.use", "desk.read"),
        resource_metadata="http://gw.test/.well-known/oauth-protected-resource/servers/desk/mcp",
    )


async def test_anonymous_is_only_who_comes_from_here_and_only_where_that_is_allowed() -> None:
    async with site(anonymous=True) as s:
        assert s.door.recall(request(), DESK) is ANONYMOUS
        assert await s.door.verify(request(), DESK) is ANONYMOUS
        far = request(client=("10.0.0.9", 1))
        assert s.door.recall(far, DESK) is None
        for scope, resource in ((far, DESK), (request(), GUARDED)):
            with pytest.raises(Unauthenticated):
                await s.door.verify(scope, resource)
        assert await s.refused("nonsense") == "opaque"


async def test_missing_scopes_are_named_all_at_once() -> None:
    async with site() as s:
        scope = bearer_of([s.idp.token(scope="desk.use other")])
        assert s.door.recall(scope, GUARDED) is None
        with pytest.raises(InsufficientScope) as caught:
            await s.door.verify(scope, GUARDED)
        assert Challenge.parse(caught.value.challenge) == Challenge(
            error="insufficient_scope",
            scopes=("desk.use", "desk.read"),
            resource_metadata="http://gw.test/.well-known/oauth-protected-resource/servers/desk/mcp",
        )
        assert s.door.recall(scope, DESK) is not None and s.door.recall(scope, GUARDED) is None
        assert await s.enter(s.idp.token(scope="desk.read desk.use"), resource=GUARDED)


# ---------------------------------------------------------------- T49


async def test_tokens_that_look_alike_are_different_tokens() -> None:
    async with site() as s:
        alice, root = s.idp.token(), s.idp.token(sub="root")
        assert await s.enter(alice)
        forged = alice[:-8] + ("A" * 8 if not alice.endswith("A" * 8) else "B" * 8)
        assert await s.refused(forged) == "signature"
        assert (await s.enter(root)).id == "corp|root" and (await s.enter(alice)).id == "corp|alice"
        composed, decomposed = s.idp.token(sub="caf\u00e9"), s.idp.token(sub="cafe\u0301")
        assert (await s.enter(composed)).id != (await s.enter(decomposed)).id


async def test_the_same_subject_at_two_issuers_is_two_people() -> None:
    async with site() as s, issuer_double() as (idp, fetcher):
        specs = (s.idp.settings(groups_prefix="a:"), idp.settings(name="partner", groups_prefix="b:"))
        issuers = [Issuer(spec, fetcher, wall=s.clock.wall, clock=s.clock.monotonic) for spec in specs]
        door = Door(Verify(issuers, None), anonymous=False, wall=s.clock.wall, clock=s.clock.monotonic)
        ours = await door.verify(bearer_of([s.idp.token(groups="admins")]), DESK)
        theirs = await door.verify(bearer_of([idp.token(groups="admins", key=rsa_key("k1"))]), DESK)
        assert (ours.id, theirs.id) == ("corp|alice", "partner|alice")
        assert (ours.teams, theirs.teams) == (("a:admins",), ("b:admins",))
        # A key of one issuer is no key of the other, though it is good in itself.
        idp.rotate("k7")
        assert await refused(door, bearer_of([s.idp.token(key=rsa_key("k7"))])) == "unknown_key"
        await door.close()
