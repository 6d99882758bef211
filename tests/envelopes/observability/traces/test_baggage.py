"""W3C Baggage: what is read of it, what is taken, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.observability.traces.baggage import MOST_MEMBERS, Taken, Wanted, read

BOTH = Wanted(frozenset({"tenant", "case"}), frozenset({"tenant"}))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("k=v", {"k": "v"}),
        (" k = v ;prop=1; other , a=b", {"k": "v", "a": "b"}),
        ("k=%20%C3%A4", {"k": "%20%C3%A4"}),
        ("k=", {"k": ""}),
        ("k=v=w", {"k": "v=w"}),
        ("k=1,k=2", {"k": "2"}),
        (",,k=v,", {"k": "v"}),
        ("k", {}),
        ("=v", {}),
        ("k y=v,a=b", {"a": "b"}),
        ('k="v",a=b', {"a": "b"}),
        ("k=v\r\nx-evil: 1,a=b", {"a": "b"}),
        ("k=v;\x1b[2J,a=b", {"a": "b"}),
        ("k=ä,a=b", {"a": "b"}),
        ("", {}),
        (None, {}),
        (7, {}),
        ({"k": "v"}, {}),
    ],
)
def test_members_by_the_grammar(value: object, found: dict[str, str]) -> None:
    assert read(value) == found


def test_more_than_everybody_has_to_take_is_nothing() -> None:
    assert len(read(",".join(f"k{number}=v" for number in range(MOST_MEMBERS)))) == MOST_MEMBERS
    assert read(",".join(f"k{number}=v" for number in range(MOST_MEMBERS + 1))) == {}
    assert read("k=" + "v" * 8_190) != {} == read("k=" + "v" * 8_191)


def test_only_what_is_wanted_is_taken() -> None:
    taken = BOTH.of({"baggage": ("tenant=a%20b,secret=s", "case=7;p=1")})
    assert taken == Taken("tenant=a%20b,case=7", {"mcp_gateway.baggage.tenant": "a b"})
    assert BOTH.of({"baggage": ("secret=s",)}) is None
    assert BOTH.of({}) is None


def test_that_of_the_meta_stands_for_all() -> None:
    headers = {"baggage": ("tenant=header,case=7",)}
    taken = BOTH.of(headers, {"baggage": "tenant=meta"})
    assert taken is not None and taken.passed == "tenant=meta"
    assert BOTH.of(headers, {"baggage": ["tenant=meta"]}) is None
    assert BOTH.of(headers, {"other": 1}) == BOTH.of(headers)


def test_attributes_are_one_short_printable_line() -> None:
    taken = BOTH.of({"baggage": ("tenant=%1B%5B31m%0D%0A%FF" + "x" * 1000,)})
    assert taken is not None
    value = taken.attributes["mcp_gateway.baggage.tenant"]
    assert isinstance(value, str) and value.startswith("\\x1b[31m\\r\\n") and value.isprintable() and len(value) < 300


@given(st.text(max_size=200))
def test_whatever_comes_what_goes_on_is_a_header(value: str) -> None:
    taken = Wanted(frozenset({"k"}), frozenset()).of({"baggage": (value, "k=v")})
    if taken is not None:
        assert all("\x20" < char < "\x7f" and char not in '",;\\' for char in taken.passed)
