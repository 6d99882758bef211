"""What the stages around a call share: which guardrails look at it, and what their word leads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mcp_gateway.calls.carriers import Carried, Permits
from mcp_gateway.calls.kinds import Invocation, Kind
from mcp_gateway.core.call import Json, Trail
from mcp_gateway.core.errors import Blocked, Invalid
from mcp_gateway.core.principal import subjects_of
from mcp_gateway.envelopes.safety.engine import Checked, Engine
from mcp_gateway.envelopes.safety.header import HEADERS, BadHeader
from mcp_gateway.envelopes.safety.rules import Asked, Chosen, Rulebook
from mcp_gateway.envelopes.safety.verdict import Hook, Judgement, Verdict

GUARDRAILS: Final = "guardrails"
"""The note on a call's trail: a tuple of what each guardrail said."""

MOST_NOTES: Final = 100
"""Judgements that are recorded for one call. Of a call with a thousand notifications the first are enough."""

_WORDS: Final[Mapping[Hook, str]] = MappingProxyType(
    {
        Hook.PRE_INVOKE: "the request is blocked by",
        Hook.POST_INVOKE: "the result is withheld by",
    }
)


class Guarding:
    """The guardrails of a configuration over the calls of one snapshot."""

    __slots__ = ("_engine", "_permits", "_rules")

    def __init__(self, rules: Rulebook, engine: Engine, permits: Permits) -> None:
        self._rules = rules
        self._engine = engine
        self._permits = permits

    def concerns(self, call: Invocation) -> bool:
        """Whether anything may have to look at `call`. The gateway's own tool carries nothing of anybody."""
        if call.tool is not None and call.tool.connects:
            return False
        return bool(self._rules.hooks) or bool(_header(call))

    def chosen(self, call: Invocation) -> tuple[Sequence[Chosen], Sequence[Chosen]]:
        """The guardrails that look at `call`, and at what comes back.

        Raises `Invalid` for a header that cannot be honoured.
        """
        header = _header(call)
        try:
            added = self._rules.added(header) if header else {}
        except BadHeader as error:
            raise Invalid(str(error)) from error
        asked = _asked(call)
        before, after = (
            self._rules.choose(hook, asked, added.get(hook, ())) for hook in (Hook.PRE_INVOKE, Hook.POST_INVOKE)
        )
        return before, after

    async def going(self, call: Invocation, chosen: Sequence[Chosen]) -> Checked:
        """Look at what goes to the upstream. Raises `Blocked`."""
        return await self._checked(Hook.PRE_INVOKE, chosen, Carried.going(call, self._permits), call.call.trail)

    async def answer(self, call: Invocation, chosen: Sequence[Chosen], message: Json) -> Json:
        """What may go to the upstream of `message`, which answers a question of its. Raises `Blocked`."""
        content = Carried(call, message, self._permits, came=False)
        return _left(await self._checked(Hook.PRE_INVOKE, chosen, content, call.call.trail))

    async def came(self, call: Invocation, chosen: Sequence[Chosen], message: Json) -> tuple[Json, Judgement | None]:
        """What may go to the client of `message`, which came from the upstream, and the last judgement that changed it.

        Raises `Blocked`.
        """
        content = Carried(call, message, self._permits, came=True)
        checked = await self._checked(Hook.POST_INVOKE, chosen, content, call.call.trail)
        return _left(checked), checked.changed

    async def _checked(self, hook: Hook, chosen: Sequence[Chosen], content: Carried, trail: Trail) -> Checked:
        checked = await self._engine.check(hook, [each.guard for each in chosen], content)
        _note(trail, hook, checked.judgements)
        if checked.blocked is not None:
            raise refusal(hook, chosen, checked.blocked)
        return checked


def refusal(hook: Hook, chosen: Sequence[Chosen], judgement: Judgement, why: str = "") -> Blocked:
    """The refusal of what `judgement` is about. It names the guardrail and holds nothing of the content."""
    name = judgement.guardrail
    if not why and judgement.verdict in (Verdict.ERROR, Verdict.TIMEOUT):
        why = ", which could not look at it"
    plain = f"{_WORDS[hook]} the guardrail `{name}`{why}"
    by = next(each for each in chosen if each.guard.name == name)
    return Blocked(by.says(plain), guardrail=name)


def message_of(checked: Checked) -> Carried:
    """The content of a check of one of our own messages."""
    assert isinstance(checked.content, Carried)  # a rewriting is made by what it rewrites
    return checked.content


def _left(checked: Checked) -> Json:
    return message_of(checked).message


def _header(call: Invocation) -> Sequence[str]:
    headers = call.call.headers
    return [value for name in HEADERS for value in headers.get(name, ())] if headers else ()


def _asked(call: Invocation) -> Asked:
    told = call.call
    names = [f"{call.upstream}/{call.target}", f"{call.upstream}:{call.target}", call.target]
    if call.kind is Kind.TOOL and call.tool is not None:
        names += [call.tool.name, f"{told.server}:{call.tool.name}"]
    return Asked(told.server, names, subjects=subjects_of(told.principal), metadata=told.metadata)


def _note(trail: Trail, hook: Hook, judgements: Sequence[Judgement]) -> None:
    noted = trail.notes.get(GUARDRAILS, ())
    if isinstance(noted, tuple) and len(noted) < MOST_NOTES:
        trail.notes[GUARDRAILS] = (*noted, *(each.noted(hook) for each in judgements))
