"""A policy as a guardrail: whoever composes the gateway has the engine, the content knows whom to ask."""

from __future__ import annotations

from typing import Final

from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined

NOT_PERMITTED: Final = Examined(True, {"not_permitted": 1})


class ExaminePolicy:
    """Denies what the policy of the guardrail `name` does not permit."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        return PASSED if content.permitted(self._name) else NOT_PERMITTED
