"""A request to a model, or what came of it, as guardrails see it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llm_proxy.asking import Ask
from llm_proxy.guarding.codecs import codec_of
from llm_proxy.guarding.grammars import ANSWERS, GRAMMARS
from mcp_gateway.core.errors import Invalid, ProtocolViolation
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.content import Carrier
from mcp_gateway.envelopes.safety.engine import Checked
from mcp_gateway.envelopes.safety.lines import Lines
from mcp_gateway.envelopes.safety.message import Texts

Json = dict[str, Any]

Permits = Callable[[str, Ask], bool]
"""Asks the policy of the guardrail of that name about a request."""


class Carried:
    """One message in the client's dialect: what goes to a provider, or what `came` from it. Immutable."""

    __slots__ = ("_ask", "_came", "_permits", "_texts")

    def __init__(self, ask: Ask, body: Json, permits: Permits, *, came: bool) -> None:
        self._ask = ask
        self._texts = Texts(body, (ANSWERS if came else GRAMMARS)[ask.dialect.wire])
        self._permits = permits
        self._came = came

    @property
    def body(self) -> Json:
        """What is left of the message."""
        return self._texts.body

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
        return self._ask.body if self._came else self.body

    @property
    def response(self) -> Json | None:
        return self.body if self._came else None

    @property
    def principal(self) -> Principal:
        return self._ask.principal

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._ask.metadata

    def rewritten(self, texts: Mapping[int, str]) -> Carried:
        left = self._texts.rewritten(texts)
        return self._with(without_logprobs(left) if self._came else left)

    def replaced(self, body: Json) -> Carried:
        if self._came:
            try:
                codec_of(self._ask.dialect.wire).answer(body)
            except ProtocolViolation as error:
                raise ValueError("what a guardrail left is no answer") from error
        else:
            try:
                asked = self._ask.dialect.asked(body)
            except Invalid as error:
                raise ValueError("what a guardrail left is no request") from error
            if asked != self._ask.asked:
                raise ValueError("a guardrail aims the request at something else")
        return self._with(body)

    def permitted(self, guardrail: str) -> bool:
        return self._permits(guardrail, self._ask)

    def _with(self, body: Json) -> Carried:
        return Carried(self._ask, body, self._permits, came=self._came)


def body_of(checked: Checked) -> Json:
    """What is left of one of our own messages."""
    assert isinstance(checked.content, Carried)  # a rewriting is made by what it rewrites
    return checked.content.body


def without_logprobs(body: Json) -> Json:
    """An answer whose words were rewritten: what is told of each token says the old ones."""
    cleared: Json = _cleared(body)
    return cleared


def _cleared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _none(each) if key == "logprobs" else _cleared(each) for key, each in value.items()}
    return [_cleared(each) for each in value] if isinstance(value, list) else value


def _none(value: object) -> list[Any] | None:
    return [] if isinstance(value, list) else None
