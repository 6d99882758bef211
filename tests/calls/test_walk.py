"""Every text of every message is found, and what is rewritten is rewritten where it stands."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, get_args

import mcp_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mcp_gateway.calls.fields import FIELDS, MCP
from mcp_gateway.envelopes.safety.content import line
from mcp_gateway.envelopes.safety.walk import Place, rewritten, small, weight
from mcp_gateway.envelopes.safety.walk import lines as lines_of
from mcp_gateway.envelopes.safety.walk import places as places_of

CANARY = "canary@example.com"

MESSAGES = (
    mcp_types.CallToolRequestParams,
    mcp_types.CallToolResult,
    mcp_types.CompleteRequestParams,
    mcp_types.CompleteResult,
    mcp_types.CreateMessageRequestParams,
    mcp_types.CreateMessageResult,
    mcp_types.CreateMessageResultWithTools,
    mcp_types.ElicitRequestFormParams,
    mcp_types.ElicitRequestURLParams,
    mcp_types.ElicitResult,
    mcp_types.ErrorData,
    mcp_types.GetPromptRequestParams,
    mcp_types.GetPromptResult,
    mcp_types.InputRequiredResult,
    mcp_types.ListRootsRequest,
    mcp_types.ListRootsResult,
    mcp_types.LoggingMessageNotificationParams,
    mcp_types.ProgressNotificationParams,
    mcp_types.ReadResourceRequestParams,
    mcp_types.ReadResourceResult,
)
"""The types of everything that passes a call, both ways."""


def places(message: dict[str, Any]) -> Iterator[Place]:
    return places_of(message, MCP)


def lines(message: dict[str, Any]) -> Iterator[str]:
    return lines_of(message, MCP)


def models(annotation: Any, seen: set[type[BaseModel]]) -> None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        for field in annotation.model_fields.values():
            models(field.annotation, seen)
    for argument in get_args(annotation):
        models(argument, seen)


def holds_text(annotation: Any) -> bool:
    if annotation is str or annotation is Any:
        return True
    return any(holds_text(argument) or isinstance(argument, str) for argument in get_args(annotation))


def test_every_field_of_the_protocol_that_can_hold_a_text_is_in_the_table() -> None:
    seen: set[type[BaseModel]] = set()
    for message in MESSAGES:
        models(message, seen)
    assert len(seen) > 40
    unlisted = {
        f"{model.__name__}.{field.alias or name}"
        for model in seen
        for name, field in model.model_fields.items()
        if holds_text(field.annotation) and (field.alias or name) not in FIELDS
    }
    assert unlisted == set()


def texts(message: dict[str, Any]) -> list[str]:
    return [place.carrier.text for place in places(message)]


BLOB = base64.b64encode(f"to {CANARY}".encode()).decode()
BINARY = base64.b64encode(b"\xff\xfe\x00" + CANARY.encode() + b"\x00\x81").decode()

CARRIERS: dict[str, dict[str, Any]] = {
    "argument": {"name": "t", "arguments": {"a": {"b": [CANARY]}}},
    "argument key": {"arguments": {CANARY: 1}},
    "meta": {"_meta": {"vendor/x": CANARY}},
    "text": {"content": [{"type": "text", "text": CANARY}]},
    "text of a type nobody knows": {"content": [{"type": "new", "news": {"x": CANARY}}]},
    "type": {"content": [{"type": CANARY}]},
    "structured": {"structuredContent": {"rows": [[CANARY]]}},
    "structured key": {"structuredContent": {CANARY: None}},
    "structured that is a list": {"structuredContent": [CANARY]},
    "embedded text": {"content": [{"type": "resource", "resource": {"uri": "x:", "text": CANARY}}]},
    "embedded blob": {"content": [{"type": "resource", "resource": {"uri": "x:", "blob": BLOB}}]},
    "image": {"content": [{"type": "image", "data": BINARY, "mimeType": "image/png"}]},
    "audio": {"content": [{"type": "audio", "data": BINARY, "mimeType": "audio/wav"}]},
    "image that is none": {"content": [{"type": "image", "data": CANARY}]},
    "link uri": {"content": [{"type": "resource_link", "uri": f"mailto:{CANARY}", "name": "x"}]},
    "link name": {"content": [{"type": "resource_link", "uri": "x:", "name": CANARY}]},
    "link title": {"content": [{"type": "resource_link", "uri": "x:", "name": "x", "title": CANARY}]},
    "link description": {"content": [{"type": "resource_link", "uri": "x:", "name": "x", "description": CANARY}]},
    "icon": {"content": [{"type": "resource_link", "icons": [{"src": f"https://x/{CANARY}"}]}]},
    "annotation": {"content": [{"type": "text", "text": "", "annotations": {"lastModified": CANARY}}]},
    "failure": {"isError": True, "content": [{"type": "text", "text": CANARY}]},
    "error": {"message": CANARY},
    "error data": {"message": "x", "data": {"detail": [CANARY]}},
    "prompt": {"messages": [{"role": "user", "content": {"type": "text", "text": CANARY}}]},
    "prompt description": {"description": CANARY, "messages": []},
    "contents": {"contents": [{"uri": "x:", "text": CANARY}]},
    "contents blob": {"contents": [{"uri": "x:", "blob": BLOB}]},
    "contents uri": {"contents": [{"uri": f"x:{CANARY}", "text": ""}]},
    "read uri": {"uri": f"x:{CANARY}"},
    "completion": {"completion": {"values": [CANARY]}},
    "completed argument": {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": CANARY}},
    "completion context": {"context": {"arguments": {"a": CANARY}}},
    "elicitation": {"mode": "form", "message": CANARY, "requestedSchema": {}},
    "elicitation schema": {"message": "", "requestedSchema": {"properties": {"x": {"description": CANARY}}}},
    "elicitation url": {"mode": "url", "url": f"https://x/?m={CANARY}", "message": ""},
    "elicited": {"action": "accept", "content": {"mail": CANARY}},
    "input required": {"inputRequests": {"k": {"method": "elicitation/create", "params": {"message": CANARY}}}},
    "input key": {"inputRequests": {CANARY: {"method": "roots/list"}}},
    "input response": {"inputResponses": {"k": {"action": "accept", "content": {"x": CANARY}}}},
    "sampling": {"messages": [{"role": "user", "content": [{"type": "text", "text": CANARY}]}], "systemPrompt": ""},
    "system prompt": {"messages": [], "systemPrompt": CANARY},
    "sampled tool use": {"role": "assistant", "content": {"type": "tool_use", "input": {"to": CANARY}}},
    "roots": {"roots": [{"uri": f"file:///{CANARY}", "name": "x"}]},
    "progress": {"progressToken": 1, "progress": 1, "message": CANARY},
    "log": {"level": "info", "data": {"to": CANARY}},
    "log that is a text": {"level": "info", "data": CANARY},
    "logger": {"level": "info", "logger": CANARY, "data": 1},
    "field nobody knows": {"content": [], "surprise": [{"x": CANARY}]},
    "key nobody knows": {"content": [], CANARY: 1},
}


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_is_looked_at(name: str) -> None:
    assert any(CANARY in text for text in texts(CARRIERS[name]))


def test_a_number_that_is_long_enough_to_say_something_is_a_text_too() -> None:
    found = list(places({"structuredContent": {"card": 4111111111111111, "count": 7, "flag": True}}))
    assert [place.carrier.text for place in found] == ["card", "4111111111111111", "count", "flag"]
    assert all(place.carrier.fixed for place in found)


def test_what_only_the_other_end_understands_is_left_alone() -> None:
    assert texts({"requestState": CANARY, "progressToken": CANARY}) == []
    assert CANARY in texts({"structuredContent": {"requestState": CANARY}})


def test_carriers_are_known_by_the_key_that_they_stand_under() -> None:
    found = {place.carrier.text: place.carrier.name for place in places({"arguments": {"sql": ["one", "two"]}})}
    assert found["one"] == found["two"] == "sql"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
MESSAGE = st.dictionaries(st.sampled_from([*FIELDS, "other"]), JSON, max_size=4)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@given(MESSAGE)
def test_no_text_of_any_message_is_missed(message: dict[str, Any]) -> None:
    for opaque in ("requestState", "progressToken", "blob"):
        message.pop(opaque, None)
    found = texts(message)
    for text in strings(message):
        assert text in found


@given(MESSAGE)
def test_what_is_rewritten_is_rewritten_in_its_place_and_nothing_else(message: dict[str, Any]) -> None:
    before = json.dumps(message)
    free = {place.way: "!" for place in places(message) if not place.carrier.fixed and not place.encoded}
    changed = rewritten(message, free)
    assert json.dumps(message) == before
    assert [place.carrier.text for place in places(changed)] == [
        "!" if place.way in free and not place.carrier.fixed else place.carrier.text for place in places(message)
    ]


@given(JSON, st.integers(0, 30), st.integers(0, 60))
def test_small_is_what_has_no_more_values_and_weight_than_allowed(value: Any, nodes: int, characters: int) -> None:
    def count(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return len(inner) + sum(map(count, inner))

    fits = count(value) <= nodes and sum(map(weight, strings(value))) <= characters
    assert small(value, nodes=nodes, characters=characters) is fits


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_is_in_a_line(name: str) -> None:
    assert any(CANARY in each for each in lines(CARRIERS[name]))


@given(MESSAGE)
def test_lines_are_those_of_all_places_but_of_plain_keys(message: dict[str, Any]) -> None:
    found = set(lines(message))
    for place in places(message):
        text, name = place.carrier.text, place.carrier.name
        key = text == name and (text in found or any(each.startswith(f"{text}: ") for each in found))
        assert line(place.carrier) in found or key


def test_what_has_to_be_made_out_one_by_one_weighs_more() -> None:
    assert weight("plain words, many of them") == len("plain words, many of them")
    assert weight("4111 1111 1111 1111") > 5 * len("4111 1111 1111 1111")
    assert weight("\ud800\u6f22" * 10) > 5 * 20
    assert weight("") == 0


def test_a_word_of_the_protocol_is_no_line_by_itself() -> None:
    message = {"structuredContent": {"structuredContent": 1}, "isError": False, "novelty": None, "requestState": CANARY}
    assert sorted(lines(message)) == ["novelty", "structuredContent"]
    assert list(lines({"isError": False, "content": [{"type": "image", "data": ""}]})) == ["type: image", "data: "]
