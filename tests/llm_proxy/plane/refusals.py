"""Every error that a client of the LLM plane can meet: the rows of the table in docs/llm.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_proxy.app import NoSuchPath
from llm_proxy.faults import NoProvider, ProviderRefused, UnknownModel, UnsupportedMedia
from mcp_gateway.core.asgi.body import BodyTooLarge
from mcp_gateway.core.errors import (
    Blocked,
    BudgetExhausted,
    Forbidden,
    GatewayError,
    IdentityUnavailable,
    InsufficientScope,
    Invalid,
    LimitExceeded,
    MetadataRequired,
    Overloaded,
    ProtocolViolation,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from mcp_gateway.core.strictjson import JsonError, JsonLimitError


@dataclass(frozen=True, slots=True)
class Met:
    """An error, its HTTP status, the exception class of both official clients, and what the table says of it.

    `again` is whether the clients repeat the request by themselves.
    """

    error: GatewayError
    status: int
    raised: str
    again: bool
    means: str


REFUSALS: Final = (
    Met(JsonError("m"), 400, "BadRequestError", False, "the body is not JSON"),
    Met(JsonLimitError("m"), 400, "BadRequestError", False, "it is nested too deep, or has too many values"),
    Met(
        Invalid("m", pointer="/messages/0/content"),
        400,
        "BadRequestError",
        False,
        "something in it is wrong, or has no translation; `param`, `pointer`: what",
    ),
    Met(
        ProviderRefused("m", status=400),
        400,
        "BadRequestError",
        False,
        "the provider says that the request is wrong: its own status of 4xx",
    ),
    Met(Unauthenticated("m"), 401, "AuthenticationError", False, "no key, or none that is good here"),
    Met(InsufficientScope("m"), 403, "PermissionDeniedError", False, "the token does not grant this"),
    Met(Forbidden("m", policies=["p"]), 403, "PermissionDeniedError", False, "policies forbid it; `policies`: which"),
    Met(
        Blocked("m", guardrail="g"),
        403,
        "PermissionDeniedError",
        False,
        "a guardrail stopped the request or the answer; `guardrail`: which",
    ),
    Met(
        MetadataRequired("m", faults=["team"]),
        403,
        "PermissionDeniedError",
        False,
        "`X-TFY-METADATA` lacks something, or holds what it may not; `metadata`: which keys",
    ),
    Met(UnknownModel("m"), 404, "NotFoundError", False, "no such model, or none that the caller may see"),
    Met(NoSuchPath("m"), 404, "NotFoundError", False, "nothing is at this path"),
    Met(BodyTooLarge(1), 413, "APIStatusError", False, "the body is larger than `server.limits` allow"),
    Met(UnsupportedMedia("m"), 415, "APIStatusError", False, "it is not said to be JSON"),
    Met(
        LimitExceeded("m", limit="l", retry_after=1.5),
        429,
        "RateLimitError",
        True,
        "a rate limit is reached; `limit`: which, `retry_after_ms`: for how long",
    ),
    Met(
        LimitExceeded("m", limit="l", retry_after=61.0),
        429,
        "RateLimitError",
        False,
        "the same, for more than a minute",
    ),
    Met(
        BudgetExhausted("m", limit="b"),
        429,
        "RateLimitError",
        False,
        "a budget has no room for it; `limit`: which; `retry_after_ms` is missing where it is for good",
    ),
    Met(GatewayError("m"), 500, "InternalServerError", True, "a defect of the gateway"),
    Met(
        NoProvider([("p/m", "HTTP 500")]),
        502,
        "InternalServerError",
        False,
        "all targets failed; the message says which, and how",
    ),
    Met(Unreachable("m", sent=True), 502, "InternalServerError", True, "the connection to the provider broke"),
    Met(ProtocolViolation("m"), 502, "InternalServerError", True, "the provider's answer is none"),
    Met(Overloaded("m"), 503, "InternalServerError", True, "the gateway, or a provider's `max_concurrency`, is full"),
    Met(
        IdentityUnavailable("m"),
        503,
        "InternalServerError",
        True,
        "who the caller is cannot be found out now",
    ),
    Met(TimedOut("m"), 504, "InternalServerError", True, "the provider did not answer in time"),
)
