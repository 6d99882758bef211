"""What the errors of Gemini mean. Pure; never raises, never repeats a provider's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.wire import ErrorClass, Fault

Json = dict[str, Any]

_STATUSES: Final[Mapping[str, ErrorClass]] = MappingProxyType(
    {
        "RESOURCE_EXHAUSTED": "rate_limit",
        "UNAVAILABLE": "overloaded",
        "UNAUTHENTICATED": "authentication",
        "PERMISSION_DENIED": "authentication",
        "INVALID_ARGUMENT": "invalid",
        "FAILED_PRECONDITION": "invalid",
        "OUT_OF_RANGE": "invalid",
        "NOT_FOUND": "invalid",
        "DEADLINE_EXCEEDED": "server",
        "INTERNAL": "server",
    }
)
_CODES: Final[Mapping[int, ErrorClass]] = MappingProxyType(
    {401: "authentication", 403: "authentication", 429: "rate_limit", 503: "overloaded"}
)
_CONTEXT: Final = re.compile(r"token count .{0,40}exceeds the maximum number of tokens", re.IGNORECASE)
_NO_KEY: Final = ("API key not valid", "API key expired")
_LOOKED_AT: Final = 1000


def gemini_fault(status: int, body: object) -> Fault:
    """What an error answer means. `status` is 0 for an error that came inside a stream.

    An invalid key is a 400 here, told from other ones by the reason in its details, or by its text.
    """
    error = _error(body)
    word = error.get("status")
    known = word if type(word) is str and word in _STATUSES else ""
    message = error.get("message")
    text = message[:_LOOKED_AT] if type(message) is str else ""
    if _CONTEXT.search(text):
        return Fault("context_window", known.lower())
    if _reason(error) in ("API_KEY_INVALID", "API_KEY_EXPIRED") or text.startswith(_NO_KEY):
        return Fault("authentication", "api_key_invalid")
    if known:
        return Fault(_STATUSES[known], known.lower())
    code = error.get("code")
    if not status and type(code) is int:
        status = code
    return Fault(_CODES.get(status) or ("invalid" if 400 <= status < 500 else "server"))


def _error(body: object) -> Json:
    """The object under `error`, which may be in a list of one."""
    if type(body) is list and body:
        body = body[0]
    error = body.get("error") if type(body) is dict else None
    return error if type(error) is dict else {}


def _reason(error: Json) -> str:
    details = error.get("details")
    for detail in details[:10] if type(details) is list else ():
        reason = detail.get("reason") if type(detail) is dict else None
        if type(reason) is str:
            return reason
    return ""
