"""The header with which a request names guardrails itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.header import MOST_BYTES, MOST_NAMES, BadHeader, read_header
from mcp_gateway.envelopes.safety.verdict import Hook

KNOWN = ("global/pii-redaction", "ours/words")


def test_every_hook_gets_what_is_named_for_it() -> None:
    value = json.dumps({hook.value: list(KNOWN) for hook in Hook})
    assert read_header([value], KNOWN) == dict.fromkeys(Hook, KNOWN)


def test_a_header_that_comes_twice_adds_up() -> None:
    values = [json.dumps({"llm_input_guardrails": [name]}) for name in KNOWN]
    assert read_header(values, KNOWN) == {Hook.LLM_INPUT: KNOWN}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "not a JSON object of lists"),
        ("[]", "not a JSON object"),
        ("{'a': 1}", "not a JSON object of lists"),
        ('{"llm_input_guardrails": [], "llm_input_guardrails": []}', "not a JSON object of lists"),
        ('{"llm_input_guardrails": "ours/words"}', "llm_input_guardrails is not a list of names"),
        ('{"llm_input_guardrails": [1]}', "llm_input_guardrails is not a list of names"),
        ('{"before": ["ours/words"]}', "has a hook that does not exist"),
        ('{"llm_input_guardrails": ["ours/word"]}', "unknown guardrails: ours/word; known are: global/pii"),
        ('{"llm_input_guardrails": ["\\u001b[31m"]}', "unknown guardrails: \\x1b[31m;"),
        ('{"llm_input_guardrails": ["ours/w\u00f6rds"]}', "not a JSON object of lists"),
        (json.dumps({"llm_input_guardrails": [KNOWN[1]] * (MOST_NAMES + 1)}), f"more than {MOST_NAMES} guardrails"),
        (" " * (MOST_BYTES + 1), f"longer than {MOST_BYTES} bytes"),
    ],
)
def test_what_cannot_be_honoured_is_refused(value: str, message: str) -> None:
    with pytest.raises(BadHeader) as caught:
        read_header([value], KNOWN)
    assert message in str(caught.value)


@given(st.text())
def test_any_header_is_read_or_refused_with_a_message_that_is_plain_ascii(value: str) -> None:
    try:
        read_header([value], KNOWN)
    except BadHeader as error:
        assert str(error).isascii()
