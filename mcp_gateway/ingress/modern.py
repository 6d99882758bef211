"""Decoding of the modern era (2026-07-28): every request says by itself what it needs. No I/O.

The order of the checks is the order in which a client learns most: a client that contradicts itself is
told so before its version is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_gateway.core.call import Client, Json
from mcp_gateway.core.errors import HeaderMismatch, Invalid, UnsupportedVersion
from mcp_gateway.core.mcp_headers import decode_header_value
from mcp_gateway.core.versions import MODERN
from mcp_gateway.ingress.envelope import BadEnvelope, Notification, Request, Response, read_message
from mcp_gateway.ingress.head import Head
from mcp_gateway.methods.session import LEVELS

_PREFIX: Final = "io.modelcontextprotocol/"
VERSION_KEY: Final = _PREFIX + "protocolVersion"
CAPABILITIES_KEY: Final = _PREFIX + "clientCapabilities"
INFO_KEY: Final = _PREFIX + "clientInfo"
LEVEL_KEY: Final = _PREFIX + "logLevel"

_NAMED: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_LEVELS: Final = frozenset(LEVELS)


def decode(head: Head, body: object) -> tuple[Request, Client, str | None] | Notification:
    """One POST of the modern era: the request, what its client is, the log level it wants.

    Raises `BadEnvelope`, `Invalid` (params), `HeaderMismatch`, `UnsupportedVersion`.
    """
    message = read_message(body)
    if isinstance(message, Response):
        raise BadEnvelope("this protocol version has no responses from the client")
    if head.duplicated is not None:
        raise HeaderMismatch(f"the header {head.duplicated} appears more than once")
    if isinstance(message, Notification):
        return message
    meta = message.params.get("_meta")
    version, capabilities = _envelope(meta)
    _match(head, message, version)
    if version not in MODERN:
        raise UnsupportedVersion("Unsupported protocol version", supported=MODERN, requested=version)
    info = meta.get(INFO_KEY) if isinstance(meta, dict) else None
    client = Client(version, True, capabilities, info if isinstance(info, dict) else None)
    return message, client, _level(meta)


def _envelope(meta: Any) -> tuple[str, Json]:
    if not isinstance(meta, dict):
        raise Invalid(f"params._meta must hold {VERSION_KEY} and {CAPABILITIES_KEY}", pointer="/params/_meta")
    version, capabilities = meta.get(VERSION_KEY), meta.get(CAPABILITIES_KEY)
    if not isinstance(version, str):
        raise Invalid(f"params._meta must hold {VERSION_KEY}, a string", pointer="/params/_meta")
    if not isinstance(capabilities, dict):
        raise Invalid(f"params._meta must hold {CAPABILITIES_KEY}, an object", pointer="/params/_meta")
    return version, capabilities


def _match(head: Head, message: Request, version: str) -> None:
    if head.version != version:
        raise HeaderMismatch("the MCP-Protocol-Version header must equal the version in params._meta")
    if head.method != message.method:
        raise HeaderMismatch("the Mcp-Method header must equal the method")
    key = _NAMED.get(message.method)
    if key is None:
        return
    if head.name is None:
        raise HeaderMismatch(f"the Mcp-Name header is required for {message.method}")
    if decode_header_value(head.name) != message.params.get(key):
        raise HeaderMismatch(f"the Mcp-Name header must equal params.{key}")


def _level(meta: Any) -> str | None:
    level = meta.get(LEVEL_KEY)
    if level is None:
        return None
    if not isinstance(level, str) or level not in _LEVELS:
        raise Invalid(f"params._meta {LEVEL_KEY} is not a log level", pointer="/params/_meta")
    return level
