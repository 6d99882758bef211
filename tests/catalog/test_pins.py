"""Tools held against the definitions that were accepted."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.pins import Drift, drifts, without
from mcp_gateway.core.call import Json
from mcp_gateway.core.canonical import Pin
from tests.catalog.making import offer

PINNED: Json = {
    "name": "send",
    "title": "Send",
    "description": "Sends.",
    "inputSchema": {"type": "object", "properties": {"to": {"type": "string", "description": "Who", "default": "a"}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
    "icons": [{"src": "https://a.example/i.png"}],
    "_meta": {"x": 1},
}


PINS = {"send": Pin.of(PINNED)}


def found(*tools: Json) -> list[tuple[str, Drift]]:
    return [(each.tool, each.drift) for each in drifts(offer("up", tools), PINS)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("title",), "send"),
        (("description",), "Sends. "),
        (("inputSchema", "properties", "to", "description"), "Whom"),
        (("inputSchema", "properties", "to", "default"), "b"),
        (("inputSchema", "properties", "to", "enum"), ["a"]),
        (("outputSchema", "additionalProperties"), False),
        (("annotations", "readOnlyHint"), False),
        (("icons",), []),
        (("_meta", "x"), 1.0),
        (("unheard",), None),
    ],
)
def test_a_change_anywhere_is_a_change(path: tuple[str, ...], value: Any) -> None:
    changed = deepcopy(PINNED)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert found(changed) == [("send", Drift.CHANGED)]


def test_the_order_of_keys_is_no_change() -> None:
    assert found(dict(reversed(PINNED.items()))) == []


def test_what_is_new_and_what_is_gone_is_told() -> None:
    assert found({**PINNED, "name": "more"}) == [("more", Drift.NEW), ("send", Drift.GONE)]


def test_a_second_entry_of_a_pinned_name_is_a_change_in_either_order() -> None:
    other = {**PINNED, "description": "Sends it elsewhere."}
    for tools in ((PINNED, other), (other, PINNED)):
        assert found(*tools) == [("send", Drift.CHANGED)]
        held = offer("up", tools)
        assert without(held, drifts(held, PINS)).tools == ()


def test_lists_that_were_never_read_differ_in_nothing() -> None:
    assert drifts(Inventory("up"), PINS) == ()
    assert drifts(offer("up", [], waits_for_person=True), PINS) == ()
