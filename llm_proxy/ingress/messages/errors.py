"""Errors in the shape that Anthropic's clients read. Pure.

    {"type": "error", "error": {"type", "message", "reason", "pointer", …}, "request_id"}

`type` follows from the status, `reason` is the error's reason word. What an error knows besides (which limit, which
policies, which guardrail, which keys of metadata, when to come back) stands beside them, as in the other dialects.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.ingress.facts import facts
from mcp_gateway.core.errors import (
    GatewayError,
    Invalid,
)

Json = dict[str, Any]

_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)


def error_of(error: GatewayError, status: int, request_id: str) -> Json:
    """The body of an answer with `status` that says `error`."""
    kind = _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    said: Json = {"type": kind, "message": error.message, "reason": error.reason}
    if isinstance(error, Invalid) and error.pointer:
        said["pointer"] = error.pointer
    said |= facts(error)
    return {"type": "error", "error": said, "request_id": request_id}
