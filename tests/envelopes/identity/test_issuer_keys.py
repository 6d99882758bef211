"""The issuer's keys over a real socket: where they are found, rotation, floods of unknown names, outages."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.errors import IdentityUnavailable, Unauthenticated
from mcp_gateway.envelopes.identity.keyset import COOLDOWN, REFRESH, RETRY
from tests.core.egress_double import until
from tests.envelopes.identity.issuing import DESK, NOW, bearer_of, issuer_double, rsa_key
from tests.envelopes.identity.site import Site, site

FAR = NOW + 1_000_000


async def flood(s: Site, count: int, prefix: str) -> None:
    """Tokens that each name another unknown key, all at once; every one is refused."""
    forger = rsa_key("attacker")
    tokens = [s.idp.token(key=forger, header={"kid": f"{prefix}{number}"}) for number in range(count)]
    outcomes = await asyncio.gather(*(s.enter(token) for token in tokens), return_exceptions=True)
    assert all(isinstance(outcome, Unauthenticated) for outcome in outcomes)


@pytest.mark.parametrize("warm", [True, False])
async def test_a_flood_of_unknown_keys_costs_one_fetch_in_a_cooldown(warm: bool) -> None:
    async with site() as s:
        if warm:
            await s.enter(s.idp.token())
        before = s.idp.asked["/jwks"]
        await flood(s, 100, "a")
        await flood(s, 100, "b")
        assert s.idp.asked["/jwks"] - before == 1
        s.clock.passed = COOLDOWN - 0.1
        await flood(s, 10, "c")
        assert s.idp.asked["/jwks"] - before == 1
        s.clock.passed = COOLDOWN
        await flood(s, 100, "d")
        assert s.idp.asked["/jwks"] - before == 2
        assert await s.enter(s.idp.token(sub="bob"))


async def test_a_new_key_is_accepted_at_once_and_an_old_one_no_longer() -> None:
    async with site() as s:
        old = s.idp.token()
        assert await s.enter(old)
        s.idp.rotate("k2")
        s.clock.passed = 1.0
        assert await s.enter(s.idp.token())
        assert s.idp.asked["/jwks"] == 2
        # What was verified with the withdrawn key is not believed from memory either.
        assert await s.refused(old) == "unknown_key"
        assert s.idp.asked["/jwks"] == 2


async def test_old_keys_are_refreshed_behind_the_callers_back() -> None:
    async with site() as s:
        scope = bearer_of([s.idp.token(exp=FAR)])
        principal = await s.door.verify(scope, DESK)
        s.clock.passed = REFRESH
        for _ in range(5):
            assert s.door.recall(scope, DESK) is principal  # which waits for nothing
        await until(lambda: s.idp.asked["/jwks"] == 2)
        assert s.door.recall(scope, DESK) is principal and s.idp.asked["/jwks"] == 2


async def test_keys_are_trusted_as_long_as_was_said_while_the_issuer_is_down_and_no_longer() -> None:
    async with site(max_stale=100) as s:
        known, new = s.idp.token(exp=FAR), s.idp.token(exp=FAR, sub="bob")
        assert await s.enter(known)
        s.idp.down = True
        s.clock.passed = 99.0
        assert await s.enter(known) and await s.enter(new)
        s.clock.passed = 100.0
        for token in (known, new, s.idp.token(exp=FAR, sub="carol")):
            with pytest.raises(IdentityUnavailable) as caught:
                await s.enter(token)
            assert caught.value.retry_after == RETRY
        # What is wrong in itself is still refused: that needs nobody.
        assert await s.refused(s.idp.token(aud=None)) == "no_audience"
        assert await s.refused(s.idp.token(exp=NOW)) == "expired"


async def test_after_an_outage_one_fetch_is_enough_for_everybody() -> None:
    async with site(max_stale=100) as s:
        assert await s.enter(s.idp.token(exp=FAR))
        s.idp.down = True
        s.clock.passed = 200.0
        for _ in range(20):
            with pytest.raises(IdentityUnavailable):
                await s.enter(s.idp.token(exp=FAR))
        attempts = s.idp.asked["/jwks"]
        s.idp.down = False
        with pytest.raises(IdentityUnavailable):
            await s.enter(s.idp.token(exp=FAR))  # asked a moment ago
        assert s.idp.asked["/jwks"] == attempts
        s.clock.passed += RETRY
        tokens = [s.idp.token(exp=FAR, sub=f"s{number}") for number in range(50)]
        await asyncio.gather(*(s.enter(token) for token in tokens))
        assert s.idp.asked["/jwks"] == attempts + 1


async def test_an_unknown_key_during_an_outage_is_nobodys_fault() -> None:
    async with site() as s:
        assert await s.enter(s.idp.token())
        s.idp.down = True
        for _ in range(3):
            with pytest.raises(IdentityUnavailable):
                await s.enter(s.idp.token(key=rsa_key("k2")))
        assert s.idp.asked["/jwks"] <= 3  # the first fetch, and one attempt that a broken connection may double


async def test_an_issuer_that_was_never_reached_is_unavailable() -> None:
    async with site() as s:
        s.idp.down = True
        with pytest.raises(IdentityUnavailable):
            await s.enter(s.idp.token())


async def test_a_cancelled_caller_takes_the_fetch_from_nobody() -> None:
    async with site() as s:
        first = asyncio.ensure_future(s.enter(s.idp.token()))
        await until(lambda: s.idp.asked.total() > 0)
        first.cancel()
        assert await s.enter(s.idp.token(sub="bob"))
        assert s.idp.asked["/jwks"] == 1


# ---------------------------------------------------------------- finding them


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_metadata_is_found_in_either_place(path: str) -> None:
    async with site() as s:
        s.idp.metadata_path = path
        assert await s.enter(s.idp.token())


async def test_a_configured_key_set_needs_no_metadata() -> None:
    async with site() as s, site(jwks_uri=f"{s.idp.issuer}/jwks", issuer="https://unreachable.test/") as t:
        t.idp.issuer = "https://unreachable.test/"
        assert await t.enter(t.idp.token())
        assert s.idp.asked == {"/jwks": 1} and t.idp.asked.total() == 0


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test"},
        {"issuer": "{issuer}/"},
        {"jwks_uri": None},
        {"jwks_uri": 1},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://user@127.0.0.1/"},
        {"jwks_uri": "http://127.0.0.1:9/jwks"},
        {"jwks_uri": "http://169.254.169.254/jwks"},
        {"jwks_uri": "https://[::ffff:127.0.0.1]/jwks"},
    ],
)
async def test_metadata_that_misleads_is_not_followed(metadata: dict[str, object]) -> None:
    async with site() as s:
        named = {k: v.replace("{issuer}", s.idp.issuer) if isinstance(v, str) else v for k, v in metadata.items()}
        s.idp.metadata |= named
        with pytest.raises(IdentityUnavailable):
            await s.enter(s.idp.token())
        assert s.idp.asked["/jwks"] == 0


async def test_metadata_cannot_send_the_gateway_to_a_neighbour() -> None:
    async with issuer_double() as (neighbour, _), site() as s:
        s.idp.metadata["jwks_uri"] = f"{neighbour.issuer}/jwks"
        with pytest.raises(IdentityUnavailable):
            await s.enter(s.idp.token())
        assert neighbour.asked.total() == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [], "keys": []}',
        b'{"keys": [' + b"{}," * 100 + b"{}]}",
        b'{"keys": ' + b"[" * 100, b"\xff\xfe{}", b" " * 600_000,
    ],
)  # fmt: skip
async def test_what_is_no_key_set_replaces_none(raw: bytes) -> None:
    async with site() as s:
        assert await s.enter(s.idp.token())
        s.idp.raw["/jwks"] = raw
        with pytest.raises(IdentityUnavailable):
            await s.enter(s.idp.token(key=rsa_key("k2")))
        assert await s.enter(s.idp.token(sub="bob"))


async def test_an_issuer_that_withdraws_all_keys_is_believed() -> None:
    async with site() as s:
        token = s.idp.token()
        assert await s.enter(token)
        s.idp.keys = []
        assert await s.refused(s.idp.token(key=rsa_key("k2"))) == "unknown_key"
        assert await s.refused(token) == "unknown_key"


async def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    async with site(algorithms=["RS256", "PS256"]) as s:
        token = s.idp.token(header={"alg": "PS256"}, exp=FAR)
        assert await s.refused(token) == "unknown_key"
        del s.idp.keys[0]["alg"]
        s.clock.passed = REFRESH
        assert await s.refused(token) == "unknown_key"
        await until(lambda: s.idp.asked["/jwks"] == 2)
        assert await s.enter(token)
