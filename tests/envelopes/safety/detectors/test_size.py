"""Sizes of messages, counted and estimated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.detectors.size import Size, measure
from tests.envelopes.safety.content import Texts


@pytest.mark.parametrize(
    ("config", "texts", "kinds"),
    [
        ({"max_characters": 5}, ["abc", "de"], []),
        ({"max_characters": 5}, ["abc", "def"], ["size_characters"]),
        ({"max_bytes": 5}, ["éé"], []),
        ({"max_bytes": 5}, ["ééé"], ["size_bytes"]),
        ({"max_tokens": 2}, ["abcdefgh"], []),
        ({"max_tokens": 2}, ["abcdefghi"], ["size_tokens"]),
        ({"max_tokens": 2}, ["日本語"], ["size_tokens"]),
        ({"max_items": 3}, ["a", "b", "c"], ["size_items"]),
        ({"max_depth": 1, "max_characters": 1}, ["ab"], ["size_characters", "size_depth"]),
    ],
)
def test_a_message_over_a_limit_is_denied(config: dict[str, object], texts: list[str], kinds: list[str]) -> None:
    examined = Size.of(config)(Texts.of(*texts), rewrite=True)
    assert (examined.denied, list(examined.findings), examined.content) == (bool(kinds), kinds, None)


def test_depth_and_items_of_a_structure() -> None:
    sizes = measure([], {"a": [1, {"b": (2, 3)}], "c": "d"})
    assert (sizes.depth, sizes.items) == (4, 7)
    assert measure([], "text").depth == 0


def test_no_depth_is_too_deep() -> None:
    body: object = 1
    for _ in range(100_000):
        body = [body]
    assert measure([], body).depth == 100_000


@given(st.text())
def test_sizes_are_those_of_the_text(text: str) -> None:
    sizes = measure([text], None)
    assert sizes.characters == len(text) and sizes.bytes == len(text.encode("utf-8", "surrogatepass"))
    assert sizes.tokens <= len(text) and (not text or sizes.tokens >= 1)


@pytest.mark.parametrize(
    ("config", "message"),
    [({}, "at least one"), ({"max_bytes": 0}, "`max_bytes`"), ({"max_byte": 1}, "did you mean `max_bytes`")],
)
def test_wrong_options_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Size.of(config)
