"""From the modern shape of a result to that of the handshake era. Pure."""

from __future__ import annotations

from typing import Any, Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import MissingCapability

_MODERN_ONLY: Final = ("resultType", "ttlMs", "cacheScope")
_NO_EXTENSIONS: Final = ("extensions",)


def downgrade(method: str, result: Json) -> Json:
    """`result` of `method` without what handshake-era clients do not know.

    Raises `MissingCapability` for an answer that asks the client for input in the modern way.
    """
    if result.get("resultType", "complete") != "complete":
        required: Json = {
            key: {}
            for request in (result.get("inputRequests") or {}).values()
            for key in [str(request.get("method", "")).split("/", 1)[0]]
        }
        raise MissingCapability("this tool asks for input in a way of protocol 2026-07-28 only", required=required)
    plain = {key: value for key, value in result.items() if key not in _MODERN_ONLY}
    if method == "tools/call" and "structuredContent" in plain and not isinstance(plain["structuredContent"], dict):
        del plain["structuredContent"]
    return plain


def initialize_result(discovered: Json, version: str, server_info: Json) -> Json:
    """An InitializeResult (2025-11-25 and before) from a DiscoverResult."""
    capabilities: dict[str, Any] = {
        key: value for key, value in discovered["capabilities"].items() if key not in _NO_EXTENSIONS
    }
    result: Json = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": server_info}
    if "instructions" in discovered:
        result["instructions"] = discovered["instructions"]
    return result
