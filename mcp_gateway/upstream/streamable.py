"""Streamable HTTP, what both eras share: reading a message, judging an answer, naming a failure. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Rejected, Unreachable, UpstreamError
from mcp_gateway.core.strictjson import JsonError, loads_upstream
from mcp_gateway.upstream.headers import retry_after

NO_CODE: Final = 50200
"""The code of a `Refused` that came without a JSON-RPC error: outside the range the protocol reserves."""

METHOD_NOT_FOUND: Final = -32601
INTERNAL_ERROR: Final = -32603

_TRANSPORT_ID: Final = "server-error"
"""What the reference SDK's older transport puts where an error belongs to no request."""

_UNWELCOME: Final = frozenset({401, 403, 429})
_SESSION_CODES: Final = frozenset({-32000, -32001, -32600})


class Refused(Rejected):
    """The upstream refused at the door. `challenge` is its ``WWW-Authenticate``; `retry_after` is in seconds."""

    def __init__(
        self,
        code: int,
        message: str,
        data: object = None,
        *,
        has_data: bool = False,
        status: int,
        challenge: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message, data, has_data=has_data, status=status)
        self.challenge = challenge
        self.retry_after = retry_after


class Unavailable(Unreachable):
    """A 5xx without an answer in it: the request may have been processed. `retry_after` is in seconds."""

    def __init__(self, status: int, *, retry_after: float | None = None) -> None:
        super().__init__(f"the upstream answered HTTP {status}", sent=True)
        self.status = status
        self.retry_after = retry_after


class UnexpectedStatus(ProtocolViolation):
    """An HTTP status that the transport does not allow here (redirects included), without an answer in it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the upstream answered HTTP {status}")
        self.status = status


class SessionLost(Unreachable):
    """The upstream no longer knows the session and did not process the request: initialize again and resend."""

    def __init__(self) -> None:
        super().__init__("the upstream ended the session", sent=False)


def read_object(raw: bytes) -> Json:
    """One JSON object. Raises `ProtocolViolation` for anything else, batches included."""
    value = _read(raw)
    if not isinstance(value, dict):
        raise ProtocolViolation("the upstream sent JSON that is not one message")
    return value


def read_messages(raw: bytes) -> list[Json]:
    """One message or a batch of them (2025-03-26 only). Raises `ProtocolViolation` for anything else."""
    value = _read(raw)
    messages = value if isinstance(value, list) else [value]
    if not messages or not all(isinstance(message, dict) for message in messages):
        raise ProtocolViolation("the upstream sent JSON that is not a message")
    return messages


def _read(raw: bytes) -> Any:
    try:
        return loads_upstream(raw)
    except JsonError as error:
        raise ProtocolViolation(f"the upstream sent unacceptable JSON: {error.message}") from None


def method_of(message: Json) -> str | None:
    """The method of a request or notification; None for a response.

    Raises `ProtocolViolation` for what is neither: no ``jsonrpc``, a frame that is both, ids or params of wrong types.
    """
    if message.get("jsonrpc") != "2.0":
        raise ProtocolViolation("the upstream sent a message that is not JSON-RPC 2.0")
    answers = ("result" in message) + ("error" in message)
    if "method" not in message:
        if answers != 1:
            raise ProtocolViolation("the upstream sent a message without exactly one of method, result and error")
        return None
    method = message["method"]
    if answers or not isinstance(method, str) or not isinstance(message.get("params", {}), dict):
        raise ProtocolViolation("the upstream sent a malformed request or notification")
    if "id" in message and type(message["id"]) not in (int, str):
        raise ProtocolViolation("the upstream sent a request whose id is neither a string nor an integer")
    return method


def belongs_to(message: Json, request_id: int) -> bool:
    """True when a response belongs to `request_id`: the same id of the same type, or an error without one."""
    sent = message.get("id")
    return (type(sent) is int and sent == request_id) or (sent is None and "error" in message)


def read_answer(message: Json, request_id: int, *, status: int = 200) -> Json:
    """The result in the only message of a JSON body.

    Raises `Rejected` for a well-formed error, `ProtocolViolation` for what is no answer to `request_id`.
    """
    if "method" in message or message.get("jsonrpc") != "2.0" or ("result" in message) is ("error" in message):
        raise ProtocolViolation("the upstream's answer is not a JSON-RPC response")
    if not belongs_to(message, request_id):
        raise ProtocolViolation("the upstream answered another request")
    if "error" in message:
        raise read_error(message["error"], status=status)
    result = message["result"]
    if not isinstance(result, dict):
        raise ProtocolViolation("the upstream's result is not an object")
    return result


def read_error(error: object, *, status: int) -> UpstreamError:
    """The `Rejected` for the error member of a response, or the `ProtocolViolation` that it is."""
    if isinstance(error, dict):
        code, message = error.get("code"), error.get("message", "")
        if type(code) is int and isinstance(message, str):
            return Rejected(code, message, error.get("data"), has_data="data" in error, status=status)
    return ProtocolViolation("the upstream's error is not a JSON-RPC error")


def refusal(status: int, headers: Mapping[bytes, bytes], raw: bytes, request_id: int) -> UpstreamError:
    """What an answer to a request with a status other than 200 means. The media type of its body is not asked:
    well-known servers send JSON-RPC errors without one."""
    rejected = _error_within(raw, request_id, status) if status >= 400 else None
    wait = retry_after(headers)
    if status in _UNWELCOME or (rejected is not None and wait is not None):
        challenge = headers.get(b"www-authenticate")
        return Refused(
            rejected.code if rejected else NO_CODE,
            rejected.message if rejected else f"the upstream refused the request with HTTP {status}",
            rejected.data if rejected else None,
            has_data=rejected is not None and rejected.has_data,
            status=status,
            challenge=challenge.decode("latin-1") if challenge is not None else None,
            retry_after=wait,
        )
    if rejected is not None:
        return rejected
    return Unavailable(status, retry_after=wait) if status >= 500 else UnexpectedStatus(status)


def _error_within(raw: bytes, request_id: int, status: int) -> Rejected | None:
    if raw.lstrip()[:1] != b"{":
        return None
    try:
        message = read_object(raw)
        if message.get("id") == _TRANSPORT_ID:
            message = {**message, "id": None}
        read_answer(message, request_id, status=status)
    except Rejected as rejected:
        return rejected
    except ProtocolViolation:
        return None
    return None


def session_gone(error: UpstreamError) -> bool:
    """True when the answer to a request *with* a session id says that there is no such session.

    The transport prescribes 404; an error of the method itself may also come with it. Widespread servers
    answer 400 and a JSON-RPC error about the session instead. Either way nothing was processed.
    """
    if isinstance(error, UnexpectedStatus):
        return error.status == 404
    if not isinstance(error, Rejected):
        return False
    if error.status == 404:
        return error.code != METHOD_NOT_FOUND
    return error.status == 400 and error.code in _SESSION_CODES and "session" in error.message.lower()
