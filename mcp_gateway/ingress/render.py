"""The one table from errors to the wire of the MCP plane.

Own codes are positive, outside the range JSON-RPC and MCP reserve. In the modern era some codes have an
HTTP status of their own (2026-07-28 transports); in the handshake era every answer to a request is a 200.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from mcp_gateway.core.asgi.body import BodyTooLarge
from mcp_gateway.core.errors import (
    AuditUnavailable,
    Blocked,
    BudgetExhausted,
    ConnectionRequired,
    Forbidden,
    GatewayError,
    HeaderMismatch,
    IdentityUnavailable,
    InsufficientScope,
    Invalid,
    InvalidArguments,
    LimitExceeded,
    MetadataRequired,
    MissingCapability,
    Overloaded,
    ProtocolViolation,
    Rejected,
    TimedOut,
    ToolQuarantined,
    Unauthenticated,
    UnknownMethod,
    UnknownResource,
    Unreachable,
    UnsupportedVersion,
    UpstreamError,
    UrlElicitation,
)
from mcp_gateway.core.strictjson import JsonError
from mcp_gateway.ingress.envelope import BadEnvelope, NotAcceptable, SessionUnknown, UnsupportedMedia

_CODES: Final[tuple[tuple[type[GatewayError], int, int, int], ...]] = (
    (JsonError, -32700, 400, 400),
    (NotAcceptable, -32600, 406, 406),
    (UnsupportedMedia, -32600, 415, 415),
    (BodyTooLarge, -32600, 413, 413),
    (BadEnvelope, -32600, 400, 400),
    (SessionUnknown, -32600, 404, 404),
    (UnknownMethod, -32601, 404, 200),
    (HeaderMismatch, -32020, 400, 400),
    (MissingCapability, -32021, 400, 200),
    (UnsupportedVersion, -32022, 400, 400),
    (Invalid, -32602, 400, 200),
    (Unauthenticated, 40101, 401, 401),
    (InsufficientScope, 40303, 403, 403),
    (IdentityUnavailable, 50302, 503, 503),
    (ConnectionRequired, 40100, 200, 200),
    (Forbidden, 40300, 200, 200),
    (Blocked, 40301, 200, 200),
    (MetadataRequired, 40302, 200, 200),
    (ToolQuarantined, 40900, 200, 200),
    (BudgetExhausted, 42901, 200, 200),
    (LimitExceeded, 42900, 200, 200),
    (Overloaded, 50300, 200, 200),
    (AuditUnavailable, 50301, 200, 200),
    (Unreachable, 50200, 200, 200),
    (ProtocolViolation, 50201, 200, 200),
    (TimedOut, 50400, 200, 200),
    (GatewayError, -32603, 200, 200),
)
"""Error class, JSON-RPC code, HTTP status in the modern and in the handshake era. The first row that fits counts."""

_STATUS: Final[Mapping[int, int]] = {
    -32700: 400,
    -32600: 400,
    -32601: 404,
    -32602: 400,
    -32020: 400,
    -32021: 400,
    -32022: 400,
}
_ERA_CODES: Final = frozenset({-32020, -32021, -32022})
_OURS_TO_ANSWER: Final = frozenset({-32020, -32022})
_NOT_FOUND_BEFORE: Final = -32002
_URL_ELICITATION_BEFORE: Final = -32042
_UNAVAILABLE: Final = 50200


def render(error: GatewayError, *, modern: bool, request_id: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON-RPC error object of `error` for a client of the given era."""
    if isinstance(error, Rejected):
        code, rendered = _passed_on(error, modern, request_id)
        return (_STATUS.get(code, 200) if modern else 200), rendered
    _, code, modern_status, status = next(row for row in _CODES if isinstance(error, row[0]))
    if not modern and isinstance(error, UrlElicitation):
        code = _URL_ELICITATION_BEFORE
    rendered = {"code": code if modern or code not in _ERA_CODES else -32600, "message": error.message}
    data = _data(error, request_id, modern)
    if data is not None:
        rendered["data"] = data
    return (modern_status if modern else status), rendered


def headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """The header fields that go with `error` where its HTTP status can still be told."""
    match error:
        case Unauthenticated() | InsufficientScope():
            return [(b"www-authenticate", error.challenge.encode("latin-1"))]
        case IdentityUnavailable():
            return [(b"retry-after", b"%d" % math.ceil(error.retry_after))]
    return []


def _passed_on(error: Rejected, modern: bool, request_id: str) -> tuple[int, dict[str, Any]]:
    code = error.code
    if modern and code == _NOT_FOUND_BEFORE:
        code = -32602
    elif modern and code == _URL_ELICITATION_BEFORE:
        code = 40100
    elif modern and code in _OURS_TO_ANSWER:
        # The gateway's own headers or version were refused: nothing the client could mend.
        return 50201, {
            "code": 50201,
            "message": "the upstream refused the gateway's protocol version or headers",
            "data": {"reason": ProtocolViolation.reason, "requestId": request_id},
        }
    elif not modern and code in _ERA_CODES:
        code = -32603
    rendered: dict[str, Any] = {"code": code, "message": error.message}
    if error.has_data:
        rendered["data"] = error.data
    elif code == _UNAVAILABLE:
        # Refused at the door by a bare HTTP status: the error is ours, and says what ours say.
        data: dict[str, Any] = {"reason": UpstreamError.reason, "requestId": request_id}
        if error.retry_after is not None:
            data["retryAfterMs"] = int(error.retry_after * 1000)
        rendered["data"] = data
    return code, rendered


def _data(error: GatewayError, request_id: str, modern: bool) -> dict[str, Any] | None:
    match error:
        case UrlElicitation() if not modern:
            asked = {"mode": "url", "elicitationId": error.elicitation, "url": error.link, "message": error.message}
            return {"elicitations": [asked]}
        case UnsupportedVersion():
            return {"supported": list(error.supported), "requested": error.requested}
        case MissingCapability():
            return {"requiredCapabilities": dict(error.required)}
        case UnknownResource():
            return {"uri": error.uri}
        case Invalid() | JsonError():
            return None
    data: dict[str, Any] = {"reason": error.reason, "requestId": request_id}
    match error:
        case LimitExceeded():
            data["limit"] = error.limit
            if error.retry_after is not None:
                data["retryAfterMs"] = round(error.retry_after * 1000)
        case Overloaded() | IdentityUnavailable():
            data["retryAfterMs"] = int(error.retry_after * 1000)
        case Forbidden():
            data["policies"] = list(error.policies)
        case Blocked():
            data["guardrail"] = error.guardrail
        case MetadataRequired():
            data["metadata"] = list(error.faults)
        case ConnectionRequired():
            data["link"] = error.link
    return data


def argument_error(error: InvalidArguments) -> dict[str, Any]:
    """Arguments that do not fit are the tool's own kind of failure: a result the model can read and correct."""
    where = error.pointer.removeprefix("/params/arguments") or "/"
    text = f"Invalid arguments at {where}: {error.message}"
    return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": True}
