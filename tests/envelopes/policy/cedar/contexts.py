"""Tools, arguments and questions for tests of what policies see, and the engine asked without anything of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cedarpy import AuthzResult, Schema, is_authorized
from hypothesis import strategies as st

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.fit import Fit, Fitted
from mcp_gateway.envelopes.policy.cedar.model import Facts, Output, PromptFacts, Question, Subject, ToolFacts
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
ALICE = Principal(id="corp|alice", subject="alice", issuer="https://login.example.com", client_id="desk", actors=("a",))

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "amount",
        "x.y",
        'a"b',
        "a\\b",
        "in",
        "if",
        "type",
        "__entity",
        "__extn",
        "__expr",
        "__cedar",
        "has",
        "",
        "*",
        "\0",
    ]
)
numbers = (
    st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(min_value=-1000, max_value=1000, places=4).map(float)
    | st.sampled_from([0.0, -0.0, 5.0, 1.5, 1e2, 2**63 - 1, 2**63, -(2**63), 0.1, 0.00001, 1e300, 922337203685477.5])
)
escapes = st.sampled_from(
    [
        {"__entity": {"type": "User", "id": "alice"}},
        {"__extn": {"fn": "ip", "arg": "10.1.1.1"}},
        {"__extn": {"fn": "decimal", "arg": "no"}},
        {"__expr": "principal"},
    ]
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8) | escapes,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def objects(members: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of objects, some of whose members are required."""
    return st.dictionaries(names, members, max_size=5).flatmap(
        lambda properties: st.builds(
            lambda required: {"type": "object", "properties": properties, "required": required},
            st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([]),
        )
    )


_types = st.sampled_from(["string", "integer", "number", "boolean", "null"])
schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.builds(lambda kind: {"type": kind}, _types)
    | st.just({})
    | st.builds(lambda known: {"enum": known}, st.lists(st.none() | st.text(max_size=3) | numbers, max_size=3)),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner | st.just({"type": "null"}))
        | objects(inner)
    ),
    max_leaves=8,
)


@st.composite
def fitting(draw: st.DrawFn, schema: Mapping[str, Any]) -> Any:
    """A value that mostly fits `schema`: what does not is drawn too, since callers and upstreams send it."""
    if draw(st.integers(0, 7)) == 0:
        return draw(values)
    match schema:
        case {"type": "object", "properties": properties}:
            members = {name: draw(fitting(inner)) for name, inner in properties.items() if draw(st.integers(0, 4))}
            return members | draw(st.dictionaries(names, values, max_size=1))
        case {"type": "array", "items": items}:
            return draw(st.lists(fitting(items), max_size=3))
        case {"type": "string"}:
            return draw(st.text(max_size=8))
        case {"type": "integer"}:
            return draw(st.integers(-(2**64), 2**64))
        case {"type": "number"}:
            return draw(numbers)
        case {"anyOf": [first, *_]}:
            return draw(fitting(first))
    return draw(values)


def tool(taken: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> ToolFacts:
    return ToolFacts("payments", "refund", taken, given)


def question(facts: ToolFacts, arguments: Mapping[str, Any], output: Output | None = None) -> Question:
    subject = Subject(facts.action, facts.uid, facts.upstream, "support", facts)
    return Question(ALICE, subject, NOW, "10.0.0.7", arguments, output=output)


def schema(*tools: ToolFacts, prompts: tuple[PromptFacts, ...] = (), metadata: tuple[str, ...] = ()) -> Schema:
    upstreams = tuple({*(each.upstream for each in tools), *(each.upstream for each in prompts)})
    return Schema.from_json_str(json.dumps(cedar_schema(Facts(upstreams, tools, prompts, metadata))))


def fit(facts: ToolFacts, arguments: Mapping[str, Any], output: Output | None = None) -> Fitted:
    return Fit.of(facts).fit(question(facts, arguments, output))


def ask(
    asked: Question, fitted: Fitted, against: Schema, policy: str = "permit (principal, action, resource);"
) -> bool:
    """The engine's answer; it must be one, without an error."""
    request = {
        "principal": {"type": "User", "id": asked.principal.id},
        "action": {"type": "Action", "id": asked.subject.action},
        "resource": asked.subject.resource.json(),
        "context": fitted.text,
    }
    answer: AuthzResult = is_authorized(request, policy, [], against)
    assert not answer.diagnostics.errors, answer.diagnostics.errors
    assert answer.decision.value != "NoDecision"
    return answer.allowed
