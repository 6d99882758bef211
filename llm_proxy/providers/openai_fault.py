"""What the errors of OpenAI and of compatible servers mean. Pure; never raises, never repeats a provider's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from llm_proxy.completion.wire import ErrorClass, Fault

_CODES: Final[Mapping[str, ErrorClass]] = {
    "context_length_exceeded": "context_window",
    "context_window_exceeded": "context_window",
    "exceed_context_size_error": "context_window",
    "string_above_max_length": "context_window",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "insufficient_quota": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "server_overloaded": "overloaded",
    "server_error": "server",
}
# Compatible servers give this error no code of its own.
_CONTEXT: Final = re.compile(r"maximum context length|context (window|size|length)|prompt is too long|too many tokens")
# A key or a prompt can hardly look like this, which has neither digits nor spaces.
_PLAIN: Final = re.compile(r"[a-z][a-z_]{0,39}")
_LOOKED_AT: Final = 1000
_STATUSES: Final[Mapping[int, ErrorClass]] = {
    401: "authentication",
    402: "rate_limit",
    403: "authentication",
    408: "server",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}


def openai_fault(status: int, body: object) -> Fault:
    """What an error answer means. `status` is 0 for an error that came inside a stream."""
    error = _error(body)
    words = [word for key in ("code", "type") if (word := _plain(error.get(key)))]
    code = words[0] if words else ""
    for word in words:
        if word in _CODES:
            return Fault(_CODES[word], code)
    message = error.get("message")
    if status in (0, 400, 422, 500) and type(message) is str and _CONTEXT.search(message[:_LOOKED_AT].lower()):
        return Fault("context_window", code)
    number = error.get("code")
    if not status and type(number) is int:  # several servers put a status there
        status = number
    return Fault(_STATUSES.get(status) or ("invalid" if 400 <= status < 500 else "server"), code)


def _error(body: object) -> Mapping[str, object]:
    """The error object: under `error`, in the first of a list of such, or bare, as several servers send it."""
    if type(body) is list and body:
        body = body[0]
    if type(body) is not dict:
        return {}
    error = body.get("error", body)
    return error if type(error) is dict else {"message": error}


def _plain(value: object) -> str:
    word = value.lower() if type(value) is str and len(value) <= 40 else ""
    return word if _PLAIN.fullmatch(word) else ""
