"""How a conversation begins and how each of its requests is marked, in both eras. Pure: values in, values out.

Shared by conversations over HTTP and over channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_gateway import __version__
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Rejected
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN

PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
PROGRESS_TOKEN: Final = "progressToken"

RESERVED: Final = frozenset(
    {PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, SUBSCRIPTION_ID, SERVER_INFO, PROGRESS_TOKEN}
)
"""Keys of a request's `_meta` that belong to the hop, not to the caller: none of them is ever passed on."""

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Log levels (RFC 5424 names), most verbose first."""

HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
MODERN_ERRORS: Final = frozenset({HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION})
"""Error codes that only a modern server sends: after one of these, `initialize` is no way back."""


def gateway_info() -> Json:
    """The gateway's own Implementation object."""
    return {"name": "mcp-gateway", "version": __version__}


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an upstream said about itself at discovery or initialize. `version` is the one to speak with it."""

    version: str
    capabilities: Json
    server_info: Json
    instructions: str | None = None

    @property
    def modern(self) -> bool:
        """True when `version` has no handshake."""
        return self.version not in HANDSHAKE


# ---------------------------------------------------------------- beginning


def initialize_params(*, version: str, capabilities: Json, client_info: Json | None = None) -> Json:
    """The params of ``initialize``."""
    return {
        "protocolVersion": version,
        "capabilities": capabilities,
        "clientInfo": client_info if client_info is not None else gateway_info(),
    }


def read_initialize(result: Json, *, upstream: str = "") -> Greeting:
    """Read an InitializeResult. The server may answer with any handshake version the gateway speaks.

    Raises `ProtocolViolation` for any other version or a result that is not an InitializeResult.
    """
    version = result.get("protocolVersion")
    if not isinstance(version, str) or version not in HANDSHAKE:
        raise ProtocolViolation("the upstream initialized with a protocol version not spoken here", upstream=upstream)
    return Greeting(
        version,
        _object(result, "capabilities", upstream),
        _object(result, "serverInfo", upstream),
        _instructions(result),
    )


def read_discover(result: Json, *, upstream: str = "") -> Greeting | None:
    """Read a DiscoverResult; None when it is no evidence of a modern server, so that `initialize` is next.

    Raises `ProtocolViolation` when it names versions and none is in common, or is not a DiscoverResult otherwise.
    """
    supported = result.get("supportedVersions")
    if not isinstance(supported, list):
        return None
    if MODERN not in supported:
        _common_version(supported, upstream)
        return None
    meta = result.get("_meta")
    info = meta.get(SERVER_INFO) if isinstance(meta, dict) else None
    return Greeting(
        MODERN,
        _object(result, "capabilities", upstream),
        info if isinstance(info, dict) else {},
        _instructions(result),
    )


def version_after(error: Rejected, *, upstream: str = "") -> str:
    """The handshake version to `initialize` with after a modern probe was answered with `error`.

    Raises `error` again when it is one that only a modern server sends, and `ProtocolViolation` when
    the versions it names have none in common with the gateway's.
    """
    if error.code not in MODERN_ERRORS:
        return HANDSHAKE[0]
    supported = error.data.get("supported") if isinstance(error.data, dict) else None
    if error.code != UNSUPPORTED_VERSION or not isinstance(supported, list) or MODERN in supported:
        raise error
    return _common_version(supported, upstream)


def _common_version(supported: list[Any], upstream: str) -> str:
    for version in HANDSHAKE:
        if version in supported:
            return version
    raise ProtocolViolation("the upstream speaks no protocol version that the gateway speaks", upstream=upstream)


def _object(result: Json, key: str, upstream: str) -> Json:
    value = result.get(key, {})
    if not isinstance(value, dict):
        raise ProtocolViolation(f"the upstream's greeting has a {key} that is not an object", upstream=upstream)
    return value


def _instructions(result: Json) -> str | None:
    value = result.get("instructions")
    return value if isinstance(value, str) else None


# ---------------------------------------------------------------- marking requests


def stamp(
    params: Json,
    *,
    capabilities: Json,
    client_info: Json | None = None,
    log_level: str | None = None,
    progress_token: int | str | None = None,
) -> Json:
    """`params` with the `_meta` of a modern request; the caller's other `_meta` keys stay."""
    meta = _foreign_meta(params)
    meta[PROTOCOL_VERSION] = MODERN
    meta[CLIENT_CAPABILITIES] = capabilities
    meta[CLIENT_INFO] = client_info if client_info is not None else gateway_info()
    if log_level is not None:
        meta[LOG_LEVEL] = log_level
    if progress_token is not None:
        meta[PROGRESS_TOKEN] = progress_token
    return {**params, "_meta": meta}


def stamp_handshake(params: Json, *, progress_token: int | str | None = None) -> Json:
    """`params` with the `_meta` of a handshake-era request: the caller's keys and at most a progress token."""
    if "_meta" not in params and progress_token is None:
        return params
    meta = _foreign_meta(params)
    if progress_token is not None:
        meta[PROGRESS_TOKEN] = progress_token
    stamped = {**params, "_meta": meta}
    if not meta:
        del stamped["_meta"]
    return stamped


def _foreign_meta(params: Mapping[str, Any]) -> Json:
    meta = params.get("_meta")
    return {key: value for key, value in meta.items() if key not in RESERVED} if isinstance(meta, dict) else {}


def subscription_of(params: Json) -> object:
    """The subscription id that a notification carries, None if it carries none."""
    meta = params.get("_meta")
    return meta.get(SUBSCRIPTION_ID) if isinstance(meta, dict) else None


def without_subscription(params: Json) -> Json:
    """`params` of a notification without the upstream leg's subscription id."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or SUBSCRIPTION_ID not in meta:
        return params
    rest = {key: value for key, value in meta.items() if key != SUBSCRIPTION_ID}
    cleaned = {**params, "_meta": rest}
    if not rest:
        del cleaned["_meta"]
    return cleaned


def without_token(params: Json) -> Json:
    """`params` of a progress notification without the upstream leg's token."""
    return {key: value for key, value in params.items() if key != PROGRESS_TOKEN}


# ---------------------------------------------------------------- log levels


def passes(level: object, threshold: str | None) -> bool:
    """True when a message of `level` may be shown to one who asked for `threshold`. Unknown levels never pass."""
    return threshold in LEVELS and level in LEVELS and LEVELS.index(str(level)) >= LEVELS.index(str(threshold))


class LevelGate:
    """Remembers the level a handshake-era session logs at and tells when ``logging/setLevel`` must be sent.

    The level only ever becomes more verbose by itself: each reader filters what it gets with `passes`.
    """

    __slots__ = ("_level", "_usable")

    def __init__(self, capabilities: Json) -> None:
        """`capabilities` are the server's: without `logging` nothing is ever sent."""
        self._usable = "logging" in capabilities
        self._level: str | None = None

    @property
    def level(self) -> str | None:
        """The level last set, None before any was."""
        return self._level

    def admit(self, level: str | None) -> str | None:
        """The level that must be set before a request that wants `level`; taken as set from now on."""
        if not self._usable or level not in LEVELS:
            return None
        if self._level is not None and LEVELS.index(self._level) <= LEVELS.index(level):
            return None
        self._level = level
        return level

    def note(self, level: object) -> None:
        """Somebody sent ``logging/setLevel`` with `level` as a request of its own."""
        if level in LEVELS:
            self._level = str(level)

    def refused(self) -> None:
        """The upstream refused ``logging/setLevel``: it is not tried again in this session."""
        self._usable = False
