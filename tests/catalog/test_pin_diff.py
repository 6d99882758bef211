"""Differences of definitions, as people read them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.pin_diff import MAX_LINES, readable
from mcp_gateway.core.canonical import fingerprint

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES, VALUES)
def test_there_is_something_to_read_exactly_where_fingerprints_differ(before: object, after: object) -> None:
    lines = readable(before, after)
    assert bool(lines) == (fingerprint(before) != fingerprint(after))
    assert all(line.isprintable() for line in lines)


def test_a_line_names_the_place_and_both_values() -> None:
    assert readable({"a": {"b/c": [1]}, "d": 1}, {"a": {"b/c": [1.0]}, "e": "x"}) == (
        "/a/b~1c/0: 1 → 1.0",
        "/d: 1 → nothing",
        '/e: nothing → "x"',
    )


def test_what_cannot_be_seen_is_written_out() -> None:
    assert readable("send", "se\u200bnd\U000e0041") == ('/: "send" → "se\\u{200b}nd\\u{e0041}"',)
    assert "\x1b" not in "".join(readable({"\x1b[2J": "\x1b[2J"}, {}))


def test_a_rewritten_definition_is_not_shown_without_end() -> None:
    lines = readable({}, {str(number): "x" * 1000 for number in range(100)})
    assert len(lines) == MAX_LINES + 1
    assert all(len(line) < 400 for line in lines)
