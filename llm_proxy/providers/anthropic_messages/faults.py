"""What Anthropic's errors mean. Pure.

The kind is that of the error's `type`; without one that is known, of the status. Two things hide behind
`invalid_request_error` and are told by its text, which is compared and goes nowhere: a prompt that is too long, and a
credential that nothing can be bought with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from llm_proxy.completion.wire import ErrorClass, Fault

_KINDS: Final[Mapping[str, ErrorClass]] = MappingProxyType(
    {
        "rate_limit_error": "rate_limit",
        "overloaded_error": "overloaded",
        "authentication_error": "authentication",
        "permission_error": "authentication",
        "billing_error": "authentication",
        "invalid_request_error": "invalid",
        "not_found_error": "invalid",
        "request_too_large": "invalid",
        "api_error": "server",
        "timeout_error": "server",
    }
)
_STATUSES: Final[Mapping[int, ErrorClass]] = MappingProxyType(
    {
        401: "authentication", 402: "authentication", 403: "authentication",
        408: "server", 429: "rate_limit", 503: "overloaded", 529: "overloaded",
    }
)  # fmt: skip
_TEXTS: Final[tuple[tuple[str, ErrorClass], ...]] = (
    ("prompt is too long", "context_window"),
    ("exceed context limit", "context_window"),
    ("context window", "context_window"),
    ("content filtering policy", "content_filter"),
    ("credit balance", "authentication"),
)
_PLAIN: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST: Final = 2000


def fault_of(status: int, body: object) -> Fault:
    """What an error answer of this status means, or an `error` event (status 500). Never raises."""
    error = body.get("error") if type(body) is dict else None
    said = error.get("type") if type(error) is dict else None
    code = said if type(said) is str and _PLAIN.fullmatch(said) else ""
    kind = _KINDS.get(code) or _STATUSES.get(status) or ("server" if status >= 500 else "invalid")
    text = error.get("message") if type(error) is dict else None
    if type(text) is str and kind == "invalid":
        lowered = text[:_LONGEST].lower()
        kind = next((meant for words, meant in _TEXTS if words in lowered), kind)
    return Fault(kind, code)
