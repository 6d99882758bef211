"""Contents in attributes: what fits, and what is said of what does not."""

from __future__ import annotations

import json

import pytest

from mcp_gateway.envelopes.observability.detail import MOST_CONTENT, put, put_newest
from mcp_gateway.envelopes.observability.traces.span import Value

LEFT_OUT = "mcp_gateway.content.left_out"


class Show:
    """Shows what fits, and counts how often it was asked: looking something through is what costs."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, value: object) -> str | None:
        self.asked += 1
        text = json.dumps(value, separators=(",", ":"))
        return text if len(text) <= MOST_CONTENT else None


def test_what_is_none_is_not_there_and_what_is_too_long_is_named() -> None:
    attributes: dict[str, Value] = {}
    put(attributes, Show(), {"a": None, "b": [1], "c": "x" * MOST_CONTENT, "d": {}})
    assert attributes == {"b": "[1]", "d": "{}", LEFT_OUT: ["c"]}


@pytest.mark.parametrize(
    ("sizes", "kept", "left_out"),
    [
        ([], None, False),
        ([10, 20, 30], 3, False),
        ([MOST_CONTENT, 20, 30], 2, True),
        ([20, MOST_CONTENT, 30], 1, True),
        ([20, MOST_CONTENT], None, True),
        ([MOST_CONTENT - 2], 1, False),
        ([MOST_CONTENT - 1], None, True),
        ([100] * 1_000, 81, True),
    ],
)
def test_of_messages_the_newest_are_there(sizes: list[int], kept: int | None, left_out: bool) -> None:
    messages: list[object] = ["x" * (size - 2) for size in sizes]
    attributes: dict[str, Value] = {LEFT_OUT: ["before"]}
    show = Show()
    put_newest(attributes, show, "m", messages)
    shown = attributes.get("m")
    assert (None if shown is None else json.loads(str(shown))) == (None if kept is None else messages[-kept:])
    assert attributes[LEFT_OUT] == (["before", "m"] if left_out else ["before"])
    assert show.asked <= 1, "however many there are"
