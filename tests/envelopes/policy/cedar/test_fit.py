"""What policies see of a call: whatever is sent, the engine can read it, and nothing is shown as what it is not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.fit import MORE, Fit
from mcp_gateway.envelopes.policy.cedar.model import (
    COMPLETE,
    EMBED,
    GET_PROMPT,
    READ_RESOURCE,
    USE_MODEL,
    Output,
    PromptFacts,
    Question,
    Subject,
    Uid,
)
from mcp_gateway.envelopes.policy.cedar.values import MAX_NAMED
from tests.envelopes.policy.cedar import contexts
from tests.envelopes.policy.cedar.contexts import ALICE, NOW, ask, fit, names, objects, question, schemas, tool, values

OWNED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "owner": {"type": "string"},
        "where": {"type": "string"},
        "amount": {"type": "number"},
        "count": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "of": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
    },
    "required": ["owner"],
}
PERMIT = "permit (principal, action, resource)"


@given(st.data())
def test_whatever_is_sent_and_comes_back_the_engine_can_read_it(data: st.DataObject) -> None:
    facts = tool(data.draw(objects(schemas)), data.draw(st.none() | objects(schemas)))
    arguments = data.draw(st.dictionaries(names, values, max_size=4) | contexts.fitting(facts.input_schema))
    structured = data.draw(st.none() | contexts.fitting(facts.output_schema or {"type": "object", "properties": {}}))
    if not isinstance(arguments, dict):
        arguments = {"amount": arguments}
    output = Output(structured if isinstance(structured, dict) else None, data.draw(st.booleans()), 2, ("text",))
    asked = question(facts, arguments, data.draw(st.none() | st.just(output)))
    assert ask(asked, Fit.of(facts).fit(asked), contexts.schema(facts))


@given(st.dictionaries(names, values, max_size=6))
def test_every_argument_is_shown_or_named(arguments: dict[str, Any]) -> None:
    facts = tool(OWNED)
    fitted = fit(facts, arguments)
    context = json.loads(fitted.text)
    for name in arguments:
        assert (name in context["input"]) or ("input", name) in fitted.omitted
        assert name in OWNED["properties"] or ("input", name) in fitted.omitted
    assert len(context["input_omitted"]) == len(fitted.omitted)


@pytest.mark.parametrize(
    ("argument", "condition"),
    [
        ({"owner": {"__entity": {"type": "User", "id": "corp|alice"}}}, 'context.input.owner == ""'),
        ({"where": {"__extn": {"fn": "ip", "arg": "10.1.1.1"}}}, "!(context.input has where)"),
        ({"amount": {"__extn": {"fn": "decimal", "arg": "1.0"}}}, "!(context.input has amount)"),
        ({"amount": {"__extn": {"fn": "none", "arg": []}}}, "!(context.input has amount)"),
        (
            {"of": {"__entity": {"type": "User", "id": "corp|alice"}}},
            'context.input has of && context.input.of.x == ""',
        ),
        ({"of": {"x": {"__expr": "principal"}}}, 'context.input has of && context.input.of.x == ""'),
        ({"tags": [{"__entity": {"type": "User", "id": "corp|alice"}}]}, "!(context.input has tags)"),
        ({"__entity": {"type": "User", "id": "corp|alice"}}, 'context.input_omitted.contains("__entity")'),
        ({"__extn": {"fn": "ip", "arg": "10.1.1.1"}}, 'context.input_omitted.contains("__extn")'),
    ],
)
def test_nothing_that_is_sent_becomes_an_entity_or_an_extension(argument: dict[str, Any], condition: str) -> None:
    facts = tool(OWNED)
    asked = question(facts, {"owner": "o"} | argument)
    fitted = Fit.of(facts).fit(asked)
    assert any(path[:2] == ("input", next(iter(argument))) for path in fitted.omitted)
    assert ask(asked, fitted, contexts.schema(facts), f"{PERMIT} when {{ {condition} }};")


@pytest.mark.parametrize("value", [1.5, 2.0, 1e2, None, 2**63, {"a": None}, [None], 1e300, True, "1"])
def test_a_value_that_no_policy_mentions_does_not_stop_the_call(value: object) -> None:
    facts = tool(OWNED)
    for name in (*OWNED["properties"], "undeclared"):
        asked = question(facts, {"owner": "o", name: value})
        assert ask(asked, Fit.of(facts).fit(asked), contexts.schema(facts))


@pytest.mark.parametrize(
    ("arguments", "omitted"),
    [
        ({}, {("input", "owner")}),
        ({"owner": None}, {("input", "owner")}),
        ({"owner": ""}, set()),
        ({"owner": "o", "where": None}, {("input", "where")}),
        ({"owner": "o", "where": ""}, set()),
        ({"owner": "o", "of": {"x": 1}}, {("input", "of", "x")}),
        ({"owner": "o", "of": {"x": "1", "y": "2"}}, {("input", "of", "y")}),
        ({"owner": "o", "count": 1.5}, {("input", "count")}),
        ({"owner": "o", "count": 2.0}, set()),
    ],
)
def test_missing_null_and_empty_are_three_things(arguments: dict[str, Any], omitted: set[tuple[str, ...]]) -> None:
    assert fit(tool(OWNED), arguments).omitted == omitted


def test_names_left_out_are_told_apart_in_one_word() -> None:
    arguments = {"owner": "o", "a.b": 1, "a\\": 1, "of": {"x": "", "y": 1}}
    assert json.loads(fit(tool(OWNED), arguments).text)["input_omitted"] == ["a\\.b", "a\\\\", "of.y"]


def test_more_than_can_be_named_is_everything() -> None:
    fitted = fit(tool(OWNED), {f"k{number}": 1 for number in range(20_000)})
    assert fitted.all_omitted
    context = json.loads(fitted.text)
    assert context["input"] == {"owner": ""}
    assert len(context["input_omitted"]) == MAX_NAMED + 1
    assert context["input_omitted"][-1] == MORE
    assert len(fitted.text) < 4096


@pytest.mark.parametrize(
    ("given", "output", "shown", "omitted"),
    [
        (OWNED, Output({"owner": "o"}, False, 9), {"owner": "o"}, set()),
        (OWNED, Output({"owner": "o", "q": 1}, False, 9), {"owner": "o"}, {("output", "q")}),
        (OWNED, Output({"owner": 1}, False, 9), {"owner": ""}, {("output", "owner")}),
        (OWNED, Output(None, False, 9), None, {("output",)}),
        (OWNED, Output(None, True, 9), None, set()),
        (None, Output({"owner": "o"}, False, 9), None, {("output",)}),
        (None, Output(None, False, 9), None, set()),
        ({"type": "string"}, Output({"owner": "o"}, False, 9), None, {("output",)}),
    ],
)
def test_a_result_is_shown_as_its_tool_declares_it(
    given: dict[str, Any] | None, output: Output, shown: object, omitted: set[tuple[str, ...]]
) -> None:
    facts = tool(OWNED, given)
    fitted = fit(facts, {"owner": "o"}, output)
    context = json.loads(fitted.text)
    assert context.get("output") == shown
    assert fitted.omitted == omitted
    assert context["output_info"] == {"is_error": output.is_error, "bytes": 9, "kinds": []}
    assert context["input_omitted"] == []


def test_before_the_call_there_is_no_output() -> None:
    assert not {"output", "output_info"} & json.loads(fit(tool(OWNED, OWNED), {"owner": "o"}).text).keys()


PROMPT = PromptFacts("wiki", "sum", (("page", True),))
OTHER = PromptFacts("wiki", "other", (("name", False),))


def other(action: str, resource: Uid, given: dict[str, Any], facts: PromptFacts | None = None) -> Question:
    return Question(ALICE, Subject(action, resource, "wiki", "support", facts), NOW, "10.0.0.7", given)


@pytest.mark.parametrize(
    ("asked", "shown", "omitted"),
    [
        (other(GET_PROMPT, PROMPT.uid, {"page": "a"}, PROMPT), {"page": "a"}, set()),
        (other(GET_PROMPT, PROMPT.uid, {}, PROMPT), {}, set()),
        (other(GET_PROMPT, PROMPT.uid, {"name": "a"}, PROMPT), {}, {("input", "name")}),
        (other(GET_PROMPT, PROMPT.uid, {"page": 1}, PROMPT), {}, {("input", "page")}),
        (other(COMPLETE, PROMPT.uid, {"argument": "page", "value": "a"}, PROMPT), None, set()),
        (other(COMPLETE, Uid("Resource", "file:///{x}"), {"argument": "x", "value": ""}), None, set()),
        (
            other(COMPLETE, PROMPT.uid, {"argument": "page", "value": None}, PROMPT),
            {"argument": "page", "value": ""},
            {("input", "value")},
        ),
        (other(READ_RESOURCE, Uid("Resource", "file:///a"), {}), {}, set()),
        (other(USE_MODEL, Uid("Model", "gpt"), {"x": 1}), {}, {("input", "x")}),
        (other(EMBED, Uid("Model", "gpt"), {}), {}, set()),
    ],
)
def test_every_other_kind_of_call_has_its_input(
    asked: Question, shown: dict[str, Any] | None, omitted: set[tuple[str, ...]]
) -> None:
    asked = asked._replace(output=Output(None, False, 4, ("text",)))
    fitted = Fit.of(asked.subject.facts).fit(asked)
    assert json.loads(fitted.text)["input"] == (asked.input if shown is None else shown)
    assert fitted.omitted == omitted
    assert ask(asked, fitted, contexts.schema(prompts=(PROMPT, OTHER)))


def test_only_the_metadata_of_the_contract_is_shown() -> None:
    facts = tool(OWNED)
    asked = question(facts, {"owner": "o"})._replace(metadata={"team": "a", "other": "b"})
    fitted = Fit.of(facts, ("team", "environment")).fit(asked)
    assert json.loads(fitted.text)["metadata"] == {"team": "a"}
    policy = f'{PERMIT} when {{ context.metadata has team && context.metadata.team == "a" }};'
    assert ask(asked, fitted, contexts.schema(facts, metadata=("team", "environment")), policy)


@pytest.mark.parametrize(
    ("ip", "within"),
    [
        ("10.0.0.7", "10.0.0.0/8"),
        ("::ffff:10.0.0.7", "10.0.0.0/8"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::/10"),
        ("2001:db8::7", "2001:db8::/32"),
    ],
)
def test_the_address_is_the_callers(ip: str, within: str) -> None:
    facts = tool(OWNED)
    asked = question(facts, {"owner": "o"})._replace(ip=ip)
    policy = f'{PERMIT} when {{ context.ip.isInRange(ip("{within}")) }};'
    assert ask(asked, Fit.of(facts).fit(asked), contexts.schema(facts), policy)


@pytest.mark.parametrize("ip", ["", "localhost", "0.0.0.0/0", "10.0.0.7, 10.0.0.8"])
def test_what_is_no_address_is_no_request(ip: str) -> None:
    facts = tool(OWNED)
    asked = question(facts, {"owner": "o"})._replace(ip=ip)
    with pytest.raises(AssertionError, match="ip"):
        ask(asked, Fit.of(facts).fit(asked), contexts.schema(facts))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1)), st.integers(-12, 12))
def test_the_time_is_the_same_instant_in_any_zone(moment: datetime, offset: int) -> None:
    facts = tool(OWNED)
    now = moment.replace(tzinfo=timezone(timedelta(hours=offset)))
    asked = question(facts, {"owner": "o"})._replace(now=now)
    local = now.replace(microsecond=now.microsecond // 1000 * 1000).isoformat(timespec="milliseconds")
    written = local[:-6] + local[-6:].replace(":", "")
    policy = f'{PERMIT} when {{ context.now == datetime("{written}") }};'
    assert ask(asked, Fit.of(facts).fit(asked), contexts.schema(facts), policy)
