"""The schema as reviewers read it."""

from __future__ import annotations

import json
import re

import pytest
from cedarpy import Schema
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.model import Facts, PromptFacts, ToolFacts
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema
from mcp_gateway.envelopes.policy.cedar.write_schema import quoted, schema_text
from tests.envelopes.policy.cedar.contexts import names, objects, schemas

WORDS = [
    *(
        "true",
        "false",
        "if",
        "then",
        "else",
        "in",
        "is",
        "like",
        "has",
        "namespace",
        "type",
        "entity",
        "action",
        "tags",
    ),
    *(
        "appliesTo",
        "principal",
        "resource",
        "context",
        "attributes",
        "enum",
        "Set",
        "Long",
        "String",
        "Bool",
        "Boolean",
    ),
    *("Action", "decimal", "ipaddr", "datetime", "duration", "__cedar", "cedar", "User", "Agent", "_a", "a1", "é"),
]

members = names | st.sampled_from(WORDS)
tools = st.builds(ToolFacts, names, names, objects(schemas), st.none() | objects(schemas))
prompts = st.builds(PromptFacts, names, names, st.lists(st.tuples(members, st.booleans()), max_size=3).map(tuple))
facts = st.builds(
    Facts,
    st.lists(names, max_size=2).map(tuple),
    st.lists(tools, max_size=3).map(tuple),
    st.lists(prompts, max_size=2).map(tuple),
    st.lists(members, max_size=3).map(tuple),
)


def both(of: Facts) -> tuple[str, str]:
    """The schema of the text and of the JSON, as the engine writes either down: in one form and order."""
    return str(Schema.from_str(schema_text(of))), str(Schema.from_json_str(json.dumps(cedar_schema(of))))


@given(facts)
def test_the_text_says_what_the_engine_is_given(of: Facts) -> None:
    text, given_to_engine = both(of)
    assert plain(text) == plain(given_to_engine)


@pytest.mark.parametrize("word", WORDS)
def test_a_member_may_have_any_name_of_the_notation(word: str) -> None:
    text, given_to_engine = both(Facts((), (), (PromptFacts("wiki", "sum", ((word, True),)),), (word,)))
    assert plain(text) == plain(given_to_engine)


def test_what_does_not_show_is_written_by_its_number() -> None:
    assert quoted('a\u200b"b\\\n\u202eé') == '"a\\u{200b}\\"b\\\\\\n\\u{202e}é"'


def test_a_reviewer_sees_each_tool_with_what_it_takes_and_gives() -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "number"}, "in": {"type": "boolean"}}}
    text = schema_text(Facts((), (ToolFacts("payments", "git-status", schema | {"required": ["amount"]}, schema),)))
    assert 'action "payments/*" in [Action::"call_tool"];' in text
    action = text[text.index('action "payments/git-status" in [Action::"payments/*"]') :]
    assert '    input: {\n      amount: decimal,\n      "in"?: Bool\n    },' in action
    assert "    output?: {\n      amount?: decimal," in action


def plain(schema: str) -> str:
    """Without the prefix of built-in types, which only the JSON form needs."""
    return re.sub(r"\b__cedar::(?=String|Long|Bool|decimal|ipaddr|datetime)", "", schema)
