"""The JSON-RPC envelope, in both eras: strict, without I/O, and able to echo the id of what it refuses."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Invalid

_MAX_ID: Final = 256
_MAX_METHOD: Final = 128


class BadEnvelope(Invalid):
    """The body is not a JSON-RPC message this endpoint takes (JSON-RPC -32600)."""

    reason = "invalid_envelope"


class NotAcceptable(Invalid):
    """Neither of the answer's media types is acceptable to the client (HTTP 406)."""

    reason = "not_acceptable"


class UnsupportedMedia(Invalid):
    """The body's media type is not application/json (HTTP 415)."""

    reason = "unsupported_media_type"


class SessionUnknown(Invalid):
    """The session id is unknown, foreign, ended or too old (HTTP 404: the client initializes again)."""

    reason = "session_unknown"


class Request(NamedTuple):
    """A JSON-RPC request."""

    id: str | int
    method: str
    params: Json


class Notification(NamedTuple):
    """A JSON-RPC notification."""

    method: str
    params: Json


class Response(NamedTuple):
    """A JSON-RPC response of the client to a request of ours: exactly one of result and error is not None."""

    id: str | int
    result: Json | None
    error: Json | None


Message = Request | Notification | Response


def id_of(message: object) -> str | int | None:
    """The id to echo in an error: None where the message has none that can be echoed."""
    if isinstance(message, dict):
        value = message.get("id")
        if isinstance(value, str) and len(value) <= _MAX_ID:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def read_message(message: object) -> Message:
    """The message in `message` (one parsed JSON value); raises `BadEnvelope`."""
    if not isinstance(message, dict):
        raise BadEnvelope("a JSON-RPC message is one JSON object")
    if message.get("jsonrpc") != "2.0":
        raise BadEnvelope('jsonrpc must be "2.0"', pointer="/jsonrpc")
    if "method" in message:
        return _read_call(message)
    if "result" in message or "error" in message:
        return _read_response(message)
    raise BadEnvelope("method is missing", pointer="/method")


def _read_call(message: dict[str, Any]) -> Request | Notification:
    method = message["method"]
    if not isinstance(method, str) or not 0 < len(method) <= _MAX_METHOD:
        raise BadEnvelope("method must be a short string", pointer="/method")
    if "result" in message or "error" in message:
        raise BadEnvelope("a message has either a method or an answer")
    params = message.get("params")
    if params is None:
        if "params" in message:
            raise BadEnvelope("params must be an object", pointer="/params")
        params = {}
    elif not isinstance(params, dict):
        raise BadEnvelope("params must be an object", pointer="/params")
    if "id" not in message:
        return Notification(method, params)
    identifier = id_of(message)
    if identifier is None:
        raise BadEnvelope("id must be an integer or a short string", pointer="/id")
    return Request(identifier, method, params)


def _read_response(message: dict[str, Any]) -> Response:
    identifier = id_of(message)
    result, error = message.get("result"), message.get("error")
    if identifier is None or ("result" in message) == ("error" in message):
        raise BadEnvelope("a response has an id and either a result or an error")
    if not isinstance(result if error is None else error, dict):
        raise BadEnvelope("result and error must be objects")
    return Response(identifier, result, error)
