"""Token requests and answers as values; metadata as values."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.egress.fetch import Trust
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.metadata import covers, resource_metadata_urls, trust_in
from mcp_gateway.envelopes.identity.stores import ClientRegistration
from mcp_gateway.envelopes.identity.token_wire import (
    PERSON_MUST_ACT,
    TokenError,
    audience_of,
    build_request,
    read_answer,
    sign_assertion,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("access_token", "token_type", "expires_in", "refresh_token", "scope", "error", "issued_token_type"), JSON
    ),
)


@given(MEMBERS, st.integers(200, 599))
def test_any_answer_is_a_usable_token_or_an_error(document: dict[str, object], status: int) -> None:
    try:
        issued = read_answer(status, json.dumps(document).encode(), now=1000.0)
    except TokenError as error:
        assert error.fatal or status != 200 or error.sent
        return
    assert status == 200 and str(document["token_type"]).lower() == "bearer"
    assert issued.access_token.reveal().isascii() and issued.access_token.reveal().isprintable()
    assert issued.expires_at is None or (math.isfinite(issued.expires_at) and issued.expires_at >= 1000.0)


@given(st.binary(max_size=60), st.integers(200, 599))
def test_bytes_that_are_no_answer_are_an_error(raw: bytes, status: int) -> None:
    with pytest.raises(TokenError):
        read_answer(status, raw, now=0.0)


@pytest.mark.parametrize("code", sorted(PERSON_MUST_ACT | {"invalid_client", "invalid_scope", "invalid_target"}))
def test_known_error_codes_are_final(code: str) -> None:
    for status in (400, 401, 403, 200):
        with pytest.raises(TokenError) as caught:
            read_answer(status, json.dumps({"error": code, "error_description": "canary"}).encode(), now=0.0)
        assert caught.value.fatal and not caught.value.sent and caught.value.code == code
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "sent"),
    [
        (400, b'{"error":"canary"}', False),
        (403, b"<html>canary</html>", False),
        (429, b"", False),
        (500, b'{"error":"invalid_grant"}', False),
        (503, b"", False),
        (504, b"", True),
        (200, b"{}", True),
        (204, b"", True),
    ],
)
def test_everything_else_may_pass(status: int, body: bytes, sent: bool) -> None:
    with pytest.raises(TokenError) as caught:
        read_answer(status, body, now=0.0)
    assert not caught.value.fatal and caught.value.sent is sent and "canary" not in str(caught.value)


def test_a_client_authenticates_in_its_own_way() -> None:
    secret = Secret("p:a ss")
    basic = ClientRegistration(issuer="i", client_id="a:b", client_secret=secret, auth_method="client_secret_basic")
    headers, body = build_request(basic, "https://as.example/token", [("grant_type", "x")], now=0.0)
    assert (b"authorization", b"Basic YSUzQWI6cCUzQWErc3M=") in headers and body == b"grant_type=x"
    post = ClientRegistration(issuer="i", client_id="a", client_secret=secret, auth_method="client_secret_post")
    headers, body = build_request(post, "https://as.example/token", [], now=0.0)
    assert body == b"client_id=a&client_secret=p%3Aa+ss" and len(headers) == 2
    public = ClientRegistration(issuer="i", client_id="a")
    assert build_request(public, "https://as.example/token", [], now=0.0)[1] == b"client_id=a"


def test_a_key_that_is_none_is_said_without_showing_it() -> None:
    with pytest.raises(TokenError) as caught:
        sign_assertion(Secret("-----BEGIN canary"), "a", "b", now=0.0)
    assert caught.value.fatal and "canary" not in str(caught.value)


def test_audiences_are_read_where_a_token_shows_them() -> None:
    assert audience_of(Secret("opaque")) is None
    assert audience_of(Secret("a.b.c")) is None
    assert audience_of(Secret("e30.eyJhdWQiOiJ4In0.s")) == ("x",)


@pytest.mark.parametrize(
    ("resource", "url", "covered"),
    [
        ("https://a.example/mcp", "https://a.example/mcp", True),
        ("https://a.example", "https://a.example/mcp", True),
        ("https://a.example/", "https://a.example/mcp", True),
        ("https://A.example:443/mcp", "https://a.example/mcp", True),
        ("https://a.example/m", "https://a.example/mcp", False),
        ("https://a.example/mcp/deeper", "https://a.example/mcp", False),
        ("https://b.example/mcp", "https://a.example/mcp", False),
        ("http://a.example/mcp", "https://a.example/mcp", False),
        ("https://a.example:8443/mcp", "https://a.example/mcp", False),
        ("https://a.example@b.example/mcp", "https://a.example/mcp", False),
        ("not a url", "https://a.example/mcp", False),
    ],
)
def test_a_resource_covers_its_own_path_and_below(resource: str, url: str, covered: bool) -> None:
    assert covers(resource, url) is covered


@given(st.text(max_size=40))
def test_no_text_covers_what_it_does_not_name(text: str) -> None:
    assert not covers(text, "https://a.example/mcp") or text.lower().startswith("https://a.example")


def test_metadata_is_looked_for_at_the_path_and_then_at_the_root() -> None:
    well_known = "/.well-known/oauth-protected-resource"
    assert resource_metadata_urls("https://a.example/public/mcp") == (
        f"https://a.example{well_known}/public/mcp",
        f"https://a.example{well_known}",
    )
    assert resource_metadata_urls("https://a.example/") == (f"https://a.example{well_known}",)


def test_only_origins_that_were_written_are_trusted() -> None:
    written = ("https://a.example/mcp", "http://127.0.0.1:9000")
    assert trust_in("https://a.example/anything", written) is Trust.OPERATOR
    assert trust_in("http://127.0.0.1:9000/token", written) is Trust.OPERATOR
    for other in ("https://a.example:8443/", "http://a.example/", "http://127.0.0.1:9001/", "javascript:1", ""):
        assert trust_in(other, written) is Trust.LEARNED
