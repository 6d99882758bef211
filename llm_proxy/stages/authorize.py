"""The door: whether the principal may use the model, by the same policies as everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.asking import Ask
from llm_proxy.faults import UnknownModel
from mcp_gateway.core.call import Trail
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.authorize import Decision
from mcp_gateway.envelopes.policy.cedar.engine import Engine
from mcp_gateway.envelopes.policy.cedar.model import EMBED, USE_MODEL, Question, Subject, Uid

REMEMBERED: Final = 1024
LONGEST: Final = 256
"""Most models that are kept as policies know them, and characters of their names: clients may name any."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

Note = Callable[[Trail, Question], None]
"""Leaves on a trail what the policies are asked."""


def model_subject(model: str, *, embeds: bool) -> Subject:
    """Using `model`, which is known by the name that clients ask for."""
    return Subject(EMBED if embeds else USE_MODEL, Uid("Model", model), "", "")


class DecideByPolicy:
    """The policies of a configuration over its models. With `audit` nothing is denied, only recorded.

    A model that a principal can never use answers as one that does not exist.
    """

    __slots__ = ("_audit", "_engine", "_note", "_subjects")

    def __init__(self, engine: Engine, note: Note, *, audit: bool) -> None:
        self._engine = engine
        self._note = note
        self._audit = audit
        self._subjects: dict[tuple[str, bool], Subject] = {}

    def __call__(self, call: Ask) -> Decision:
        question = self._question(call)
        subject = question.subject
        self._note(call.trail, question)
        verdict = self._engine.decide(question)
        if not verdict.allowed and not self._audit and not self._engine.possible(call.principal, [subject])[0]:
            raise UnknownModel(call.asked.model)
        word = "allow" if verdict.allowed else "deny" if verdict.failure is None else "error"
        notes = call.trail.notes
        notes["policies"] = verdict.policies
        notes["decision"] = f"would_{word}" if self._audit and not verdict.allowed else word
        if verdict.failure is not None:
            notes["policy_failure"] = verdict.failure
        if verdict.would is not None:
            notes["would"] = "allow" if verdict.would else "deny"
            notes["would_policies"] = verdict.would_policies
        return Decision(verdict.allowed or self._audit, verdict.policies)

    def permits(self, call: Ask) -> bool:
        """Whether the policies permit the request, without a word on the trail."""
        return self._engine.decide(self._question(call)).allowed

    def usable(self, principal: Principal, models: Sequence[str]) -> list[str]:
        """Those of `models` that some request of `principal` could use."""
        if self._audit:
            return list(models)
        chat = self._engine.possible(principal, [model_subject(model, embeds=False) for model in models])
        embed = self._engine.possible(principal, [model_subject(model, embeds=True) for model in models])
        return [model for model, one, other in zip(models, chat, embed, strict=True) if one or other]

    def _question(self, call: Ask) -> Question:
        key = call.asked.model, call.dialect.wire == "embeddings"
        subject = self._subjects.get(key)
        if subject is None:
            subject = model_subject(key[0], embeds=key[1])
            if len(key[0]) <= LONGEST:
                if len(self._subjects) >= REMEMBERED:
                    self._subjects.clear()
                self._subjects[key] = subject
        return Question(call.principal, subject, datetime.now(UTC), call.ip, _NOTHING, metadata=call.metadata)
