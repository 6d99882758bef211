"""What is kept of a question: what policies read, no more, and enough to see it again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.excerpt import MAX_BYTES, Excerpt, excerpt, read_excerpt

names = st.sampled_from("abc")
values = st.recursive(
    st.one_of(
        st.integers(-5, 5), st.text(max_size=3), st.booleans(), st.none(), st.lists(st.integers(0, 3), max_size=2)
    ),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=3)
paths = st.sets(st.lists(names, max_size=3).map(lambda steps: ("input", *steps)), max_size=4)


def at(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return ...
        value = value[step]
    return value


@given(objects, paths)
def test_at_every_path_that_is_read_is_what_was_there(value: dict[str, Any], read: set[tuple[str, ...]]) -> None:
    kept = read_excerpt(orjson.loads(orjson.dumps(excerpt(read, "input", value).json())))
    seen = kept.below("input")
    for path in read:
        assert any(path[: len(known)] == known for known in kept.paths)
        assert at(seen, path[1:]) == at(value, path[1:])


@given(objects, paths)
def test_nothing_else_is_kept(value: dict[str, Any], read: set[tuple[str, ...]]) -> None:
    for path, _ in excerpt(read, "input", value).values:
        assert path in read


def test_only_the_attribute_that_is_asked_for_is_kept() -> None:
    assert excerpt({("now",), ("output", "x"), ("input", "a")}, "input", {"a": 1, "x": 2}).values == (
        (("input", "a"), 1),
    )


def test_that_there_is_an_output_is_not_what_is_in_it() -> None:
    output = {"result": "1", "more": "content"}
    assert excerpt({("output",), ("output", "result")}, "output", output).values == ((("output", "result"), "1"),)
    assert excerpt({("output",)}, "output", output).values == ((("output",), output),)


@pytest.mark.parametrize("value", ["x" * MAX_BYTES, ["x"] * MAX_BYTES, 2**70, "\ud800"])
def test_what_is_long_or_has_no_json_is_neither_kept_nor_said_to_be_absent(value: object) -> None:
    assert excerpt({("input", "a")}, "input", {"a": value}) == Excerpt()


@pytest.mark.parametrize(
    "recorded", [None, [], {"values": [["input", 1]]}, {"absent": [["now", "x"]]}, {"absent": ["a"]}]
)
def test_what_is_no_excerpt_is_refused(recorded: object) -> None:
    with pytest.raises(ValueError, match="no "):
        read_excerpt(recorded)
