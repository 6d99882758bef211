"""A call, its result, or what passes between the two, as guardrails see it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from mcp_gateway.calls.fields import MCP
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.call import Json
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.content import Carrier
from mcp_gateway.envelopes.safety.lines import Lines
from mcp_gateway.envelopes.safety.message import Texts

_AIMS: Final = ("name", "uri", "ref")
"""What decides where a call goes: no guardrail turns it to something else."""


class Permits(Protocol):
    """Asks the policy of a guardrail about a call, and about its result where there is one."""

    def __call__(self, guardrail: str, call: Invocation, result: Result | None) -> bool: ...


class Carried:
    """One message at a hook: what goes to an upstream, or what `came` from it. Immutable."""

    __slots__ = ("_call", "_came", "_permits", "_texts")

    def __init__(self, call: Invocation, message: Json, permits: Permits, *, came: bool) -> None:
        self._call = call
        self._texts = Texts(message, MCP)
        self._permits = permits
        self._came = came

    @classmethod
    def going(cls, call: Invocation, permits: Permits) -> Carried:
        """What an upstream will be asked, with what the caller sends along."""
        return cls(call, {**call.params, "_meta": call.meta} if call.meta else call.params, permits, came=False)

    @property
    def message(self) -> Json:
        """What is left of the message."""
        return self._texts.body

    @property
    def call(self) -> Invocation:
        """The call with the message for its parameters."""
        params = dict(self._texts.body)
        meta = params.pop("_meta", {})
        return self._call._replace(params=params, meta=meta)

    # ------------------------------------------------------------------ as guardrails see it

    @property
    def small(self) -> bool:
        return self._texts.small

    @property
    def carriers(self) -> Iterable[Carrier]:
        return self._texts.carriers

    @property
    def lines(self) -> Lines:
        return self._texts.lines

    @property
    def request(self) -> Json:
        return self._call.params if self._came else self._texts.body

    @property
    def response(self) -> Json | None:
        return self._texts.body if self._came else None

    @property
    def principal(self) -> Principal:
        return self._call.call.principal

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._call.call.metadata

    def rewritten(self, texts: Mapping[int, str]) -> Carried:
        return self._with(self._texts.rewritten(texts))

    def replaced(self, body: Json) -> Carried:
        if not self._came and any(body.get(aim) != self._texts.body.get(aim) for aim in _AIMS):
            raise ValueError("a guardrail aims the call at something else")
        if not self._came and not isinstance(body.get("_meta", {}), dict):
            raise ValueError("a guardrail left a _meta that is no object")
        return self._with(body)

    def permitted(self, guardrail: str) -> bool:
        return self._permits(guardrail, self._call if self._came else self.call, self.response)

    def _with(self, message: dict[str, Any]) -> Carried:
        return Carried(self._call, message, self._permits, came=self._came)
