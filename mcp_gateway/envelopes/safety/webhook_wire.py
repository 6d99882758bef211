"""The HTTP contract of custom guards, as values: what is asked, what the answer means. Pure.

Asked is ``{requestBody, responseBody?, config?, context: {user: {…}, metadata: {…}}}``. A 2xx answer is the judgement
``{verdict?, transformed?, result?}``; whatever else comes is no judgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.frozen import thaw
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.strictjson import JsonError, loads
from mcp_gateway.envelopes.safety.content import Content, Json

_SUBJECT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"user": "user", "virtual_account": "virtualaccount", "anonymous": "user", "gateway": "virtualaccount"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A judgement. `result` is the whole new body where the guard changed it."""

    passed: bool
    result: Json | None = None


def question(content: Content, config: Mapping[str, object] | None) -> bytes:
    """The body of the request about `content`."""
    asked: Json = {"requestBody": content.request}
    if content.response is not None:
        asked["responseBody"] = content.response
    if config:
        asked["config"] = thaw(config)
    asked["context"] = {"user": _user(content.principal), "metadata": dict(content.metadata)}
    return orjson.dumps(asked)


def answer(body: bytes) -> Answer:
    """What the body of a 2xx answer says. A guard that leaves `verdict` out has nothing against it.

    Raises:
        ProtocolViolation: it is not of the contract. The message holds nothing of it.
    """
    try:
        said: Any = loads(body)
    except JsonError:
        raise ProtocolViolation("the guard's answer is not JSON") from None
    if not isinstance(said, dict):
        raise ProtocolViolation("the guard's answer is not an object")
    verdict, transformed, result = said.get("verdict", True), said.get("transformed", False), said.get("result")
    if not isinstance(verdict, bool) or not isinstance(transformed, bool):
        raise ProtocolViolation("`verdict` or `transformed` in the guard's answer is not true or false")
    if not transformed:
        return Answer(verdict)
    if not isinstance(result, dict):
        raise ProtocolViolation("the guard's answer is transformed and has no object as `result`")
    return Answer(verdict, result)


def _user(principal: Principal) -> dict[str, str]:
    user = {"subjectId": principal.subject, "subjectType": _SUBJECT_TYPES[principal.kind], "subjectSlug": principal.id}
    if principal.email is not None:
        user["subjectDisplayName"] = principal.email
    return user
