"""What the stages of every plane share: which guardrails look at a request, and what their word leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import Blocked, Invalid
from mcp_gateway.envelopes.safety.content import Content
from mcp_gateway.envelopes.safety.engine import Checked, Engine
from mcp_gateway.envelopes.safety.header import HEADERS, BadHeader
from mcp_gateway.envelopes.safety.rules import Asked, Chosen, Rulebook
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Judgement, Verdict

GUARDRAILS: Final = "guardrails"
"""The note on a request's trail: a tuple of what each guardrail said."""

MOST_NOTES: Final = 100
"""Judgements that are recorded for one request. Of a call with a thousand notifications the first are enough."""

_WORDS: Final[Mapping[Hook, str]] = MappingProxyType(
    {
        Hook.PRE_INVOKE: "the request is blocked by",
        Hook.POST_INVOKE: "the result is withheld by",
        Hook.LLM_INPUT: "the request is blocked by",
        Hook.LLM_OUTPUT: "the answer is withheld by",
    }
)


class Gate:
    """The guardrails of a configuration at `hooks`, those of one plane: before it, and after it."""

    __slots__ = ("_concerned", "_engine", "_hooks", "_rules", "asks")

    def __init__(self, rules: Rulebook, engine: Engine, hooks: tuple[Hook, Hook]) -> None:
        self._rules = rules
        self._engine = engine
        self._hooks = hooks
        self._concerned = bool(rules.hooks.intersection(hooks))
        self.asks: Final = rules.asks
        """Whether what is `asked` decides what is chosen, or every request meets the same guardrails."""

    def concerns(self, headers: Mapping[str, Sequence[str]]) -> bool:
        """Whether anything may have to look at a request with these `headers`."""
        return self._concerned or bool(_header(headers))

    def chosen(self, asked: Asked, headers: Mapping[str, Sequence[str]]) -> tuple[Sequence[Chosen], Sequence[Chosen]]:
        """The guardrails that look at what is `asked`, and at what comes back.

        Raises `Invalid` for a header that cannot be honoured.
        """
        header = _header(headers)
        try:
            added = self._rules.added(header, self._hooks) if header else {}
        except BadHeader as error:
            raise Invalid(str(error)) from error
        before, after = self._hooks
        choose = self._rules.choose
        return choose(before, asked, added.get(before, ())), choose(after, asked, added.get(after, ()))

    async def check(self, hook: Hook, chosen: Sequence[Chosen], content: Content, trail: Trail) -> Checked:
        """What `chosen` leave of `content`; what they say is noted. Raises `Blocked`."""
        checked = await self._engine.check(hook, [each.guard for each in chosen], content)
        _note(trail, hook, checked.judgements)
        if checked.blocked is not None:
            raise refusal(hook, chosen, checked.blocked)
        return checked

    def told(self, hook: Hook, chosen: Sequence[Chosen], judgements: Sequence[Judgement], trail: Trail) -> None:
        """Count and note what was judged elsewhere. Raises `Blocked` if one of `judgements` blocks."""
        self._engine.count(hook, judgements)
        _note(trail, hook, judgements)
        blocked = next((each for each in judgements if each.action is Action.BLOCK), None)
        if blocked is not None:
            raise refusal(hook, chosen, blocked)


def refusal(hook: Hook, chosen: Sequence[Chosen], judgement: Judgement, why: str = "") -> Blocked:
    """The refusal of what `judgement` is about. It names the guardrail and holds nothing of the content."""
    name = judgement.guardrail
    if not why and judgement.verdict in (Verdict.ERROR, Verdict.TIMEOUT):
        why = ", which could not look at it"
    plain = f"{_WORDS[hook]} the guardrail `{name}`{why}"
    by = next(each for each in chosen if each.guard.name == name)
    return Blocked(by.says(plain), guardrail=name)


def _header(headers: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return [value for name in HEADERS for value in headers.get(name, ())] if headers else ()


def _note(trail: Trail, hook: Hook, judgements: Iterable[Judgement]) -> None:
    noted = trail.notes.get(GUARDRAILS, ())
    if isinstance(noted, tuple) and len(noted) < MOST_NOTES:
        trail.notes[GUARDRAILS] = (*noted, *(each.noted(hook) for each in judgements))
