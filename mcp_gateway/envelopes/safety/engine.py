"""Guardrails over one message: those that only refuse side by side, those that rewrite one after the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from mcp_gateway.envelopes.safety.content import Content
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Judgement, Verdict

_BLOCK: Final = Action.BLOCK
_MUTATE: Final = Action.MUTATE
_PRIORITY: Final = attrgetter("priority")


@dataclass(frozen=True, slots=True)
class GuardTallies:
    """What guardrails said and what came of it, by guardrail, hook, verdict and action."""

    judged: Counter[tuple[str, Hook, Verdict, Action]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check. `content` is what may go on; nothing may if `blocked` tells why."""

    content: Content
    judgements: Sequence[Judgement]
    blocked: Judgement | None = None
    changed: Judgement | None = None
    """The last judgement that rewrote something."""


class Engine:
    """Asks guardrails and counts what they say. Holds no state of a call."""

    __slots__ = ("_tallies",)

    def __init__(self, tallies: GuardTallies) -> None:
        self._tallies = tallies

    async def check(self, hook: Hook, guards: Sequence[Guard], content: Content) -> Checked:
        """What `guards`, in their order, make of `content` at `hook`.

        All that only refuse see the message as it came. Those that rewrite see what the one before left, and the first
        that blocks is the last that is asked.
        """
        rewriting = [guard for guard in guards if guard.rewrites]
        refusing = [guard for guard in guards if not guard.rewrites]
        judgements = await _side_by_side(refusing, content)
        blocked = next((each for each in judgements if each.action is _BLOCK), None)
        changed: Judgement | None = None
        for guard in sorted(rewriting, key=_PRIORITY):
            if blocked is not None:
                break
            judgement, content = await guard.judge(content)
            judgements.append(judgement)
            if judgement.action is _BLOCK:
                blocked = judgement
            elif judgement.action is _MUTATE:
                changed = judgement
        self.count(hook, judgements)
        return Checked(content, judgements, blocked, changed)

    def count(self, hook: Hook, judgements: Sequence[Judgement]) -> None:
        """Count what was said at `hook`."""
        judged = self._tallies.judged
        for each in judgements:
            judged[each.guardrail, hook, each.verdict, each.action] += 1


async def _side_by_side(guards: Sequence[Guard], content: Content) -> list[Judgement]:
    if not guards:
        return []
    if len(guards) == 1:
        judgement, _ = await guards[0].judge(content)
        return [judgement]
    return [judgement for judgement, _ in await asyncio.gather(*(guard.judge(content) for guard in guards))]
