"""Errors in the shape that OpenAI's clients read: chat completions, responses, embeddings, models. Pure.

    {"error": {"message", "type", "param", "code", "request_id", …}}

`type` follows from the status, `code` is the error's reason word. What an error knows besides (which limit, which
policies, which guardrail, which keys of metadata, when to come back) stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_proxy.ingress.facts import facts
from mcp_gateway.core.errors import (
    GatewayError,
    Invalid,
)

Json = dict[str, Any]

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def openai_error(error: GatewayError, status: int, request_id: str) -> Json:
    """The body of an answer with `status` that says `error`."""
    kind = _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    said: Json = {
        "message": error.message,
        "type": kind,
        "param": parameter(error.pointer) if isinstance(error, Invalid) else None,
        "code": error.reason,
        "request_id": request_id,
    }
    said |= facts(error)
    return {"error": said}


def parameter(pointer: str) -> str | None:
    """A JSON pointer in the notation that these errors use: `/messages/0/content` → `messages[0].content`."""
    path = ""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        path += f"[{name}]" if name.isdecimal() else f".{name}"
    return path.removeprefix(".") or None
