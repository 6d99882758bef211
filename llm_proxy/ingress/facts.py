"""What an error knows besides its words, as both shapes of errors tell it. Pure."""

from __future__ import annotations

from typing import Any

from mcp_gateway.core.errors import (
    Blocked,
    ConnectionRequired,
    Forbidden,
    GatewayError,
    IdentityUnavailable,
    LimitExceeded,
    MetadataRequired,
    Overloaded,
)


def facts(error: GatewayError) -> dict[str, Any]:
    """Which limit, policies, guardrail or keys of metadata decided, when to come back, where to go."""
    match error:
        case LimitExceeded(retry_after=None):
            return {"limit": error.limit}
        case LimitExceeded(retry_after=wait):
            return {"limit": error.limit, "retry_after_ms": round((wait or 0) * 1000)}
        case Overloaded() | IdentityUnavailable():
            return {"retry_after_ms": round(error.retry_after * 1000)}
        case Forbidden():
            return {"policies": list(error.policies)}
        case Blocked():
            return {"guardrail": error.guardrail}
        case MetadataRequired():
            return {"metadata": list(error.faults)}
        case ConnectionRequired():
            return {"link": error.link}
    return {}
