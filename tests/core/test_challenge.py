"""Bearer challenges are read as they are meant, whatever stands around them, and written so that they can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.challenge import Challenge, bearer

SAFE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("Basic realm=x", None),
        ("Negotiate abc==", None),
        ("Bearer", Challenge()),
        ("bearer", Challenge()),
        ('Bearer error="invalid_token"', Challenge(error="invalid_token")),
        ("Bearer scope=a", Challenge(scopes=("a",))),
        ('Bearer scope = "a b" , error=invalid_token', Challenge(error="invalid_token", scopes=("a", "b"))),
        ('BEARER SCOPE="a  b"', Challenge(scopes=("a", "b"))),
        ('Basic realm="Bearer scope=a", Bearer scope="b"', Challenge(scopes=("b",))),
        ('Negotiate abc==, Bearer scope="b"', Challenge(scopes=("b",))),
        ('Bearer scope="b", Basic realm="x", scope="c"', Challenge(scopes=("b",))),
        ('Bearer scope="a", scope="b"', Challenge(scopes=("a",))),
        (r'Bearer error="a\"b\\c"', Challenge(error='a"b\\c')),
        (
            'Bearer resource_metadata="https://h/.well-known/oauth-protected-resource/mcp?a=b,c"',
            Challenge(resource_metadata="https://h/.well-known/oauth-protected-resource/mcp?a=b,c"),
        ),
        ('Bearer scope="never closed', Challenge()),
    ],
)
def test_the_first_bearer_challenge_counts(header: str | None, expected: Challenge | None) -> None:
    assert Challenge.parse(header) == expected


@given(st.text(max_size=300))
def test_nothing_makes_reading_fail(header: str) -> None:
    Challenge.parse(header)
    Challenge.parse("Bearer " + header)


@given(SAFE, SAFE)
def test_what_is_written_is_read(error: str, url: str) -> None:
    written = bearer(error=error, scope="a b", resource_metadata=url)
    assert Challenge.parse(written) == Challenge(error=error, scopes=("a", "b"), resource_metadata=url)


@given(st.text(max_size=60))
def test_no_value_leaves_its_quotes(value: str) -> None:
    written = bearer(error=value, scope="a")
    assert written.isascii() and written.isprintable() and written.count('"') == (4 if value else 2)


def test_what_is_not_given_is_not_written() -> None:
    assert bearer() == bearer(error=None, scope="") == "Bearer"
