"""What a modern result may say about itself (`resultType`), and what it may ask of the client. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation

_ASKING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
_NEEDS: Final = MappingProxyType(
    {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
)


def check_result(method: str, result: Json, capabilities: Json) -> Json:
    """`result` itself, once it is known to be one that a client with `capabilities` may get for `method`.

    Raises `ProtocolViolation` for an unknown `resultType` and for an `input_required` that is malformed,
    is no answer to `method`, or asks for what was not declared.
    """
    kind = result.get("resultType", "complete")
    if kind == "complete":
        return result
    if kind != "input_required":
        raise ProtocolViolation("the upstream answered with an unknown resultType")
    if method not in _ASKING:
        raise ProtocolViolation(f"the upstream may not ask for input in answer to {method}")
    asked = result.get("inputRequests")
    state = result.get("requestState")
    if (asked is None and state is None) or not isinstance(state, str | None):
        raise ProtocolViolation("the upstream asked for input in a malformed way")
    if asked is not None:
        _check_requests(asked, capabilities)
    return result


def _check_requests(asked: object, capabilities: Json) -> None:
    if not isinstance(asked, dict):
        raise ProtocolViolation("the upstream asked for input in a malformed way")
    for request in asked.values():
        method = request.get("method") if isinstance(request, dict) else None
        params = request.get("params", {}) if isinstance(request, dict) else None
        if not isinstance(method, str) or method not in _NEEDS or not isinstance(params, dict):
            raise ProtocolViolation("the upstream asked for input in a malformed way")
        if not _declared(method, params, capabilities):
            raise ProtocolViolation(f"the upstream asked for {method}, which the client did not declare")


def _declared(method: str, params: Json, capabilities: Json) -> bool:
    capability = capabilities.get(_NEEDS[method])
    if not isinstance(capability, dict):
        return False
    if method != "elicitation/create":
        return True
    mode = params.get("mode", "form")
    # An empty elicitation capability stands for form mode alone.
    return isinstance(mode, str) and (mode in capability or (mode == "form" and not capability))
