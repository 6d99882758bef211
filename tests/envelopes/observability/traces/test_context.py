"""W3C trace context: what is written is read back, and what breaks the grammar is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_gateway.envelopes.observability.traces.context import Context, in_headers, in_meta, read

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
READ = Context(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, True)

contexts = st.builds(
    Context, st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.booleans(), st.sampled_from(["", "a=b"])
)


@given(contexts)
def test_what_is_written_is_read_back(context: Context) -> None:
    fields = context.fields()
    assert read(fields["traceparent"], fields.get("tracestate")) == context
    assert in_meta(fields) == context
    assert in_headers({name: (value,) for name, value in fields.items()}) == context


anything = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)


@given(anything | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,4}"), anything)
@example(PARENT + "\n", None)
@example(PARENT, "a=\x1b")
def test_whatever_comes_is_read_or_none(parent: Any, state: Any) -> None:
    found = read(parent, state)
    if found is not None:
        assert found.trace_id and found.span_id
        assert all(value.isascii() and value.isprintable() for value in found.fields().values())


@pytest.mark.parametrize(
    "parent",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + "0",
        PARENT + "-more",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        f" {PARENT}",
        f"{PARENT}\n",
    ],
)
def test_what_breaks_the_grammar_is_none(parent: str) -> None:
    assert read(parent) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert read("01" + PARENT[2:] + "-more") == READ


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("vendor=1, other@x=a b", "vendor=1,other@x=a b"),
        ("a=1,,b=2,", "a=1,b=2"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("a=\x1b", ""),
        ("a", ""),
        (",".join(f"k{n}=1" for n in range(33)), ""),
        ("a=" + "x" * 600, ""),
    ],
)
def test_a_state_goes_on_as_a_whole_or_not_at_all(state: str, kept: str) -> None:
    found = read(PARENT, state)
    assert found is not None and found.state == kept


def test_a_header_that_came_twice_is_none() -> None:
    assert in_headers({"traceparent": (PARENT, PARENT)}) is None
    assert in_headers({}) is None
    assert in_meta(None) is None
