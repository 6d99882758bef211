"""What Anthropic's errors mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.wire import Fault
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from tests.llm_proxy.ingress.messages.values import json


def error(kind: Any, message: Any = "") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (429, error("rate_limit_error"), Fault("rate_limit", "rate_limit_error")),
        (529, error("overloaded_error"), Fault("overloaded", "overloaded_error")),
        (529, None, Fault("overloaded")),
        (503, "busy", Fault("overloaded")),
        (401, error("authentication_error"), Fault("authentication", "authentication_error")),
        (403, error("permission_error"), Fault("authentication", "permission_error")),
        (402, error("billing_error"), Fault("authentication", "billing_error")),
        (404, error("not_found_error"), Fault("invalid", "not_found_error")),
        (413, error("request_too_large"), Fault("invalid", "request_too_large")),
        (400, error(INVALID, "messages: at least one message is required"), Fault("invalid", INVALID)),
        (400, error(INVALID, "prompt is too long: 210000 tokens > 200000"), Fault("context_window", INVALID)),
        (
            400,
            error(INVALID, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
            Fault("context_window", INVALID),
        ),
        (400, error(INVALID, "Output blocked by content filtering policy"), Fault("content_filter", INVALID)),
        (400, error(INVALID, "Your credit balance is too low"), Fault("authentication", INVALID)),
        (500, error("api_error", "prompt is too long"), Fault("server", "api_error")),
        (504, error("timeout_error"), Fault("server", "timeout_error")),
        (502, None, Fault("server")),
        (418, None, Fault("invalid")),
        (429, error("a new error!"), Fault("rate_limit")),
        (500, error("a_new_error"), Fault("server", "a_new_error")),
        (400, error(["x"], {"y": 1}), Fault("invalid")),
    ],
)
def test_faults(status: int, body: object, fault: Fault) -> None:
    assert AnthropicMessages().fault(status, body) == fault


@given(st.integers(400, 599), json | st.builds(error, json, json))
def test_no_body_breaks_it_and_no_text_comes_through(status: int, body: object) -> None:
    code = AnthropicMessages().fault(status, body).code
    assert code == "" or code.replace("_", "").isalnum()
