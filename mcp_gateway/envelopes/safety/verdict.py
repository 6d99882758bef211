"""What a guardrail found and what is done about it: two things that are kept apart.

In audit mode the verdict is `deny` and the action `allow`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Hook(StrEnum):
    """Where guardrails look, by the names that files and headers use."""

    LLM_INPUT = "llm_input_guardrails"
    LLM_OUTPUT = "llm_output_guardrails"
    PRE_INVOKE = "mcp_tool_pre_invoke_guardrails"
    POST_INVOKE = "mcp_tool_post_invoke_guardrails"

    __hash__ = str.__hash__
    """Not by its name, as an enumeration's members are: a call looks things up by hooks and verdicts a dozen times."""


LLM_HOOKS: Final = (Hook.LLM_INPUT, Hook.LLM_OUTPUT)
MCP_HOOKS: Final = (Hook.PRE_INVOKE, Hook.POST_INVOKE)
"""The hooks of each plane: before, and after."""


class Operation(StrEnum):
    """Whether a guardrail may only refuse, or rewrites."""

    VALIDATE = "validate"
    MUTATE = "mutate"


class Mode(StrEnum):
    """What a verdict leads to."""

    AUDIT = "audit"
    ENFORCE_BUT_IGNORE_ON_ERROR = "enforce_but_ignore_on_error"
    ENFORCE = "enforce"


class Verdict(StrEnum):
    """What a guardrail says. `error` and `timeout` are the two ways of saying nothing."""

    PASS = "pass"
    DENY = "deny"
    ERROR = "error"
    TIMEOUT = "timeout"

    __hash__ = str.__hash__


class Action(StrEnum):
    """What was done about it."""

    ALLOW = "allow"
    BLOCK = "block"
    MUTATE = "mutate"

    __hash__ = str.__hash__


def enforced(verdict: Verdict, mode: Mode, *, rewritten: bool) -> Action:
    """What `mode` makes of `verdict`. `rewritten`: what was found has been taken out by a guardrail that may do so."""
    if verdict is Verdict.PASS or mode is Mode.AUDIT:
        return Action.ALLOW
    if verdict is Verdict.DENY:
        return Action.MUTATE if rewritten else Action.BLOCK
    return Action.BLOCK if mode is Mode.ENFORCE else Action.ALLOW


def _nothing() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Judgement:
    """One guardrail's part in the story of a call. `findings` counts by kind; nothing of the content is in it.

    `failure` names what went wrong where the verdict is an error: the class of an exception, or `open` for a guardrail
    that is left alone because it kept failing.
    """

    guardrail: str
    verdict: Verdict
    action: Action
    findings: Mapping[str, int] = field(default_factory=_nothing)
    failure: str | None = None

    def noted(self, hook: Hook) -> dict[str, object]:
        """The judgement as records hold it."""
        note: dict[str, object] = {
            "name": self.guardrail,
            "hook": str(hook),
            "verdict": str(self.verdict),
            "action": str(self.action),
            "findings": dict(self.findings),
        }
        return note if self.failure is None else {**note, "failure": self.failure}
