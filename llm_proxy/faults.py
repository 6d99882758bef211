"""The errors that only this plane knows, and the HTTP status of each.

    GatewayError (mcp_gateway.core.errors)
    ├─ Invalid
    │  ├─ UnknownModel        no such model, or not visible: the two look alike
    │  └─ UnsupportedMedia    the body is no JSON
    └─ UpstreamError
       ├─ ProviderRefused     the provider says that the request is wrong; `status` is its own
       └─ NoProvider          every target that may answer was tried, or none may; `tried` tells which and why

Messages are public and hold no text of a provider: that may quote a prompt, or a part of a key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from mcp_gateway.core.asgi.body import BodyTooLarge
from mcp_gateway.core.errors import (
    Blocked,
    Forbidden,
    GatewayError,
    IdentityUnavailable,
    InsufficientScope,
    Invalid,
    LimitExceeded,
    MetadataRequired,
    Overloaded,
    TimedOut,
    Unauthenticated,
    UpstreamError,
)


class UnknownModel(Invalid):
    """No such model; one that the principal may not use gives the same answer."""

    reason = "unknown_model"

    def __init__(self, model: str) -> None:
        super().__init__(f"there is no model `{model[:128]}`", pointer="/model")


class UnsupportedMedia(Invalid):
    """The body is not said to be JSON."""

    reason = "unsupported_media_type"


class ProviderRefused(UpstreamError):
    """The provider says that the request is wrong. `status` is its own, `code` a word of its, or empty."""

    reason = "provider_refused"

    def __init__(self, message: str, *, status: int, code: str = "", upstream: str = "") -> None:
        super().__init__(message, upstream=upstream)
        self.status = status
        self.code = code


class NoProvider(UpstreamError):
    """No target answered. `tried` has one entry for each that was asked, in order: the target, and why it failed.

    `retry_after` is in seconds, None if no provider said.
    """

    reason = "upstream_unavailable"

    def __init__(
        self, tried: Sequence[tuple[str, str]], *, status: int = 502, retry_after: float | None = None
    ) -> None:
        told = "; ".join(f"{target}: {why}" for target, why in tried)
        super().__init__(f"no target answered ({told})" if told else "no target may answer now")
        self.tried = tuple(tried)
        self.status = status
        self.retry_after = retry_after


LONG: Final = 60
"""Seconds: who is told to come back later than this learns it at once, instead of sleeping in a client."""

_STATUS: Final[tuple[tuple[type[GatewayError], int], ...]] = (
    (BodyTooLarge, 413),
    (UnsupportedMedia, 415),
    (UnknownModel, 404),
    (Invalid, 400),
    (Unauthenticated, 401),
    (InsufficientScope, 403),
    (Forbidden, 403),
    (Blocked, 403),
    (MetadataRequired, 403),
    (LimitExceeded, 429),
    (Overloaded, 503),
    (IdentityUnavailable, 503),
    (TimedOut, 504),
    (UpstreamError, 502),
)
"""The first row that fits counts."""


def status_of(error: GatewayError) -> int:
    """The HTTP status that says `error`; 400 for JSON that is none, 500 for a defect."""
    if isinstance(error, ProviderRefused | NoProvider):
        return error.status
    if error.reason in ("invalid_json", "json_limit_exceeded"):
        return 400
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def headers_of(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """The header fields that go with `error`.

    Official clients try again after some statuses by themselves, unless `x-should-retry` says that it is in vain. They
    sleep for as long as `retry-after` says, be it until tomorrow, so they are told not to where it is `LONG`.
    """
    match error:
        case Unauthenticated() | InsufficientScope():
            return [(b"www-authenticate", error.challenge.encode("latin-1"))]
        case LimitExceeded(retry_after=None) | NoProvider(retry_after=None):
            # For good; or all that could be tried has been: a client that repeats at once only multiplies the load.
            return [(b"x-should-retry", b"false")]
        case (
            LimitExceeded(retry_after=wait)
            | Overloaded(retry_after=wait)
            | IdentityUnavailable(retry_after=wait)
            | NoProvider(retry_after=wait)
        ):
            seconds = math.ceil(wait or 0)
            told = [(b"retry-after", b"%d" % seconds)]
            return [*told, (b"x-should-retry", b"false")] if seconds > LONG else told
    return []
