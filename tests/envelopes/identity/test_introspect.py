"""Opaque tokens: asked about at their issuer, remembered for a moment (RFC 7662)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.secret import Secret
from tests.envelopes.identity.issuing import DESK, NOW, bearer_of, issuer_double
from tests.envelopes.identity.site import OTHER, Site, site

SPEC = {"client_id": "gate:way", "client_secret": Secret("s p%c")}


def say(s: Site, token: str, **changes: object) -> None:
    """What the issuer will say of `token`."""
    answer: dict[str, Any] = s.idp.claims(active=True, token_type="Bearer")
    s.idp.answers[token] = {k: v for k, v in {**answer, **changes}.items() if v is not None}


async def test_an_active_token_is_its_person_for_half_a_minute() -> None:
    async with site(introspection=SPEC) as s:
        say(s, "opaque-1", username="al")
        principal = await s.enter("opaque-1")
        assert (principal.id, principal.client_id, principal.token) == ("corp|alice", "agent-1", Secret("opaque-1"))
        s.clock.passed = 29.9
        assert await s.enter("opaque-1") is principal and s.idp.asked["/introspect"] == 1
        s.idp.answers.clear()  # revoked
        s.clock.passed = 30.0
        assert await s.refused("opaque-1") == "inactive"


async def test_it_is_remembered_no_longer_than_it_lives() -> None:
    async with site(introspection=SPEC) as s:
        say(s, "t", exp=NOW + 5)
        assert await s.enter("t")
        s.clock.passed = 5.0
        assert await s.refused("t") == "expired"


async def test_one_without_an_end_is_asked_about_again_and_again() -> None:
    async with site(introspection=SPEC) as s:
        say(s, "t", exp=None)
        for seconds in (0.0, 30.0, 60.0):
            s.clock.passed = seconds
            assert await s.enter("t")
        assert s.idp.asked["/introspect"] == 3


async def test_a_refusal_is_repeated_for_a_moment_without_asking() -> None:
    async with site(introspection=SPEC) as s:
        for _ in range(10):
            assert await s.refused("t") == "inactive"
        assert s.idp.asked["/introspect"] == 1
        say(s, "t")
        s.clock.passed = 10.0
        assert await s.enter("t")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": "true"}, "inactive"),
        ({"active": 1}, "inactive"),
        ({"active": None}, "inactive"),
        ({"iss": "https://evil.test"}, "unknown_issuer"),
        ({"aud": None}, "no_audience"),
        ({"aud": OTHER.uri}, "audience"),
        ({"sub": None}, "no_subject"),
        ({"exp": NOW}, "expired"),
        ({"exp": "soon"}, "bad_exp"),
        ({"nbf": NOW + 61}, "not_yet_valid"),
        ({"token_type": "refresh_token"}, "not_an_access_token"),
        ({"token_use": "refresh"}, "not_an_access_token"),
        ({"cnf": {"jkt": "x"}}, "sender_constrained"),
        ({"act": 7}, "bad_act"),
    ],
)
async def test_an_answer_has_to_satisfy_the_same_rules(changes: dict[str, object], reason: str) -> None:
    async with site(introspection=SPEC) as s:
        say(s, "t", **changes)
        assert await s.refused("t") == reason


async def test_the_gateway_says_who_it_is_as_the_standard_wants() -> None:
    async with site(introspection=SPEC) as s:
        say(s, "t")
        await s.enter("t")
        (line,) = s.idp.clients
        assert base64.b64decode(line.split(" ")[2]) == b"gate%3Away:s+p%25c"


async def test_fifty_callers_with_one_token_are_one_question() -> None:
    async with site(introspection=SPEC) as s:
        say(s, "t")
        await asyncio.gather(*(s.door.verify(bearer_of(["t"]), DESK) for _ in range(50)))
        assert s.idp.asked["/introspect"] == 1


async def test_an_issuer_that_does_not_answer_is_nobodys_fault_and_is_left_alone_for_a_moment() -> None:
    async with site(introspection=SPEC) as s:
        s.idp.down = True
        for number in range(20):
            with pytest.raises(IdentityUnavailable):
                await s.enter(f"t{number}")
        asked = s.idp.asked.total()
        assert asked <= 2
        s.idp.down = False
        s.clock.passed = 5.0
        say(s, "t")
        assert await s.enter("t")


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b'{"active": true, "active": false}'])
async def test_an_answer_that_is_none_is_an_outage(raw: bytes) -> None:
    async with site(introspection=SPEC) as s:
        s.idp.raw["/introspect"] = raw
        with pytest.raises(IdentityUnavailable):
            await s.enter("t")


async def test_a_signed_token_of_somebody_else_is_shown_to_nobody() -> None:
    async with site(introspection=SPEC) as s:
        assert await s.refused(s.idp.token(iss="https://elsewhere.test")) == "unknown_issuer"
        assert await s.refused("a.b.c") == "malformed"
        assert s.idp.asked.total() == 0


async def test_a_configured_endpoint_is_not_sought() -> None:
    async with issuer_double() as (other, _), site(introspection={**SPEC, "url": f"{other.issuer}/introspect"}) as s:
        other.answers["t"] = s.idp.claims(active=True)
        assert await s.enter("t")
        assert s.idp.asked.total() == 0 and other.asked == {"/introspect": 1}
