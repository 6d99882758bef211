"""Taking tokens apart: nothing that is presented does more than be refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.identity import jwt
from mcp_gateway.envelopes.identity.jwt import LEEWAY
from mcp_gateway.envelopes.identity.verified import TokenRefused
from tests.envelopes.identity.issuing import part

NUMBERS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=3)


@given(st.text(max_size=300) | st.lists(st.binary(max_size=60).map(part), min_size=3, max_size=3).map(".".join))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        found = jwt.read(text)
    except TokenRefused as refused:
        assert refused.reason.replace("_", "").isalpha()
    else:
        assert found.signed.decode() == text.rsplit(".", 1)[0]


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u"]), NUMBERS))
def test_any_header_is_judged_or_refused(header: dict[str, object]) -> None:
    try:
        found = jwt.read(f"{part(header)}.{part({})}.{part(b's')}")
    except TokenRefused:
        return
    assert found.algorithm == header["alg"] and found.kid == header.get("kid")
    assert not {"crit", "jwk", "jku", "x5u"} & header.keys()


@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat"]), NUMBERS), st.floats(0, 4e9))
def test_a_token_that_passes_lives_now(claims: dict[str, object], now: float) -> None:
    try:
        ends = jwt.expiry(json.loads(json.dumps(claims)), now)
    except TokenRefused:
        return
    assert now < ends and ends == claims["exp"] and type(claims["exp"]) in (int, float)
    for begins in (claims[name] for name in ("nbf", "iat") if name in claims):
        assert isinstance(begins, int | float) and begins <= now + LEEWAY


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c\n", "é.b.c", "=.b.c", "YQ==.YQ==.YQ=="]
)
def test_three_parts_of_base64url_and_nothing_else(text: str) -> None:
    with pytest.raises(TokenRefused, match="malformed"):
        jwt.read(text)
