"""Redaction of whole messages at every door, by the real stages: what was planted is gone, all else is as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mcp_gateway.calls.kinds import Kind
from mcp_gateway.core.errors import Blocked
from tests.calls.guarded import NAMES, Guarded
from tests.calls.planted import (
    Text,
    Tree,
    marked,
    params,
    plain,
    planted,
    readings,
    results,
    same_but_for_plants,
    texts,
    traces,
)

MESSAGES = {
    (kind.value, stuck): (params(kind.value, stuck=stuck), results(kind.value, stuck=stuck))
    for kind in Kind
    for stuck in (False, True)
}
"""What is asked and what is answered at a door, with things planted where they can be taken out, or anywhere."""

DOORS = pytest.mark.parametrize("door", [kind.value for kind in Kind])
ROUNDS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    made = Guarded()
    yield made
    made.close()


def holds_none_of(message: object, tree: Tree) -> None:
    said = list(readings(message))
    for _, value in planted(tree):
        for trace in traces(value):
            assert not any(trace in text for text in said), trace


@DOORS
@ROUNDS
@given(data=st.data())
def test_what_was_planted_is_gone_and_all_else_is_as_it_was(guarded: Guarded, door: str, data: st.DataObject) -> None:
    asking, answering = map(data.draw, MESSAGES[door, False])
    given_params, given_result = plain(asking), plain(answering)
    sent = orjson.dumps(given_params), orjson.dumps(given_result)
    result = guarded.ask(Kind(door), given_params, given_result)
    asked = guarded.asked
    assert asked is not None
    for tree, before, after in ((asking, sent[0], asked), (answering, sent[1], result)):
        assert json.loads(orjson.dumps(after)) == after
        same_but_for_plants(tree, after)
        holds_none_of(after, tree)
        event("something planted" if planted(tree) else "nothing planted")
        if not planted(tree):
            assert orjson.dumps(after) == before
    assert (orjson.dumps(given_params), orjson.dumps(given_result)) == sent, "what came was changed where it lay"
    again = guarded.ask(Kind(door), asked, result)
    assert (orjson.dumps(guarded.asked), orjson.dumps(again)) == (orjson.dumps(asked), orjson.dumps(result))


@DOORS
@ROUNDS
@given(data=st.data())
def test_what_cannot_be_taken_out_is_refused_and_nothing_else_is(
    guarded: Guarded, door: str, data: st.DataObject
) -> None:
    asking, answering = map(data.draw, MESSAGES[door, True])
    stuck = [[text for text in marked(tree) if text.fixed and text.plants] for tree in (asking, answering)]
    event(f"{bool(stuck[0])}, {bool(stuck[1])}")
    try:
        result = guarded.ask(Kind(door), plain(asking), plain(answering))
    except Blocked as blocked:
        assert any(stuck)
        assert (guarded.asked is None) is bool(stuck[0])
        owners = {owner for text in stuck[0] or stuck[1] for owner, _ in text.plants}
        assert blocked.guardrail in owners & set(NAMES)
        holds_none_of(str(blocked), [asking, answering])
    else:
        assert not any(stuck)
        holds_none_of([guarded.asked, result], [asking, answering])


STRICT = ("const", "enum")


def says(word: str, text: str) -> dict[str, Any]:
    """A schema that `text` satisfies, and with one of `STRICT` no other text."""
    return {word: {"const": text, "enum": [text, ""]}.get(word, "string")}


@pytest.mark.parametrize("which", ["inputSchema", "outputSchema"])
@ROUNDS
@given(
    rows=st.dictionaries(st.sampled_from("abcd"), st.tuples(texts(), st.sampled_from((*STRICT, "type"))), min_size=1),
    failed=st.booleans(),
)
def test_what_would_break_the_schema_of_the_tool_is_refused(
    guarded: Guarded, which: str, rows: dict[str, tuple[Text, str]], failed: bool
) -> None:
    properties = {key: says(word, text.written) for key, (text, word) in rows.items()}
    definition = {which: {"type": "object", "properties": properties, "required": list(rows)}}
    values = {key: text.written for key, (text, _) in rows.items()}
    answer = {"content": [], "structuredContent": values, **({"isError": True} if failed else {})}
    coming = which == "outputSchema"
    broken = any(text.plants and word in STRICT for text, word in rows.values()) and not (coming and failed)
    event(f"broken: {broken}")
    asking = {"name": "echo", "arguments": {} if coming else values}
    answering = answer if coming else {"content": []}
    try:
        result = guarded.ask(Kind.TOOL, asking, answering, definition=definition)
    except Blocked as blocked:
        assert broken and blocked.guardrail in NAMES and "does not fit the tool" in str(blocked)
        assert (guarded.asked is None) is not coming
        holds_none_of(str(blocked), [text for text, _ in rows.values()])
    else:
        assert not broken
        assert guarded.asked is not None
        left = result["structuredContent"] if coming else guarded.asked["arguments"]
        same_but_for_plants({key: text for key, (text, _) in rows.items()}, left)
