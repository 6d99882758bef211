"""Guardrails over a stream: what leaves is what they let through, however it was cut."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from llm_proxy.asking import Ask, Screen
from llm_proxy.completion.answer import Event
from llm_proxy.completion.dialect import Dialect, completes
from llm_proxy.completion.fold import Fold, unfold
from llm_proxy.completion.request import Completion
from llm_proxy.guarding.codecs import codec_of
from llm_proxy.guarding.content import Carried, Json, Permits, body_of
from llm_proxy.guarding.grammars import CHANNELS
from llm_proxy.guarding.held import MOST_HELD, Held, size_of
from llm_proxy.guarding.running import Running, streaming
from mcp_gateway.core.errors import Blocked, ProtocolViolation
from mcp_gateway.envelopes.safety.gate import Gate, refusal
from mcp_gateway.envelopes.safety.rules import Chosen
from mcp_gateway.envelopes.safety.verdict import Hook, Mode

FOLDED: Final = "folded"
"""Where the body of a streamed answer stands on its trail, if all of it was looked at before it left."""


class Review:
    """Has guardrails look at a whole answer, told by its events."""

    __slots__ = ("_all", "_ask", "_codec", "_completion", "_dialect", "_gate", "_permits")

    def __init__(self, gate: Gate, ask: Ask, dialect: Dialect, permits: Permits, *, all_of_it: bool) -> None:
        """With `all_of_it` nothing has left, or leaves, but what is looked at here, and it is left for observers."""
        self._all = all_of_it
        self._gate = gate
        self._ask = ask
        self._dialect = dialect
        self._permits = permits
        self._codec = codec_of(dialect.wire)
        # Of the request an answer tells only what it was about, and guardrails are shown that beside it.
        self._completion = Completion(model=ask.asked.model, messages=())

    async def __call__(self, chosen: Sequence[Chosen], events: Sequence[Event]) -> Sequence[Event]:
        """What is left of `events`, the same ones if nothing was changed. Raises `Blocked`, `ProtocolViolation`."""
        fold = Fold()
        for event in events:
            fold.add(event)
        body = self._dialect.answer(fold.answer(), self._completion)
        content = Carried(self._ask, body, self._permits, came=True)
        checked = await self._gate.check(Hook.LLM_OUTPUT, chosen, content, self._ask.trail)
        if checked.changed is None:
            self._leave(body)
            return events
        left: Json = body_of(checked)
        try:
            events = list(unfold(self._codec.answer(left)))
            self._leave(left)
            return events
        except ProtocolViolation as error:
            why = ": what it left of the answer is none"
            raise refusal(Hook.LLM_OUTPUT, chosen, checked.changed, why) from error

    def _leave(self, body: Json) -> None:
        if self._all:
            self._ask.trail.notes[FOLDED] = body

    def told(self, running: Sequence[Running]) -> None:
        """Note what was said while the answer passed. Raises `Blocked`."""
        judgements = [each.judged() for each in running]
        self._gate.told(Hook.LLM_OUTPUT, [each.chosen for each in running], judgements, self._ask.trail)


class Observed:
    """Lets everything pass, and has guardrails look at it once it is whole. What is too long is not looked at."""

    __slots__ = ("_chosen", "_events", "_review", "_screen", "_size")

    def __init__(self, screen: Screen | None, review: Review, chosen: Sequence[Chosen]) -> None:
        self._screen = screen
        self._review = review
        self._chosen = chosen
        self._events: list[Event] = []
        self._size = 0

    @property
    def refused(self) -> Blocked | None:
        return None if self._screen is None else self._screen.refused

    def see(self, event: Event) -> Sequence[Event]:
        self._size += size_of(event)
        if self._size <= MOST_HELD:
            self._events.append(event)
        return (event,) if self._screen is None else self._screen.see(event)

    async def end(self) -> Sequence[Event]:
        left = () if self._screen is None else await self._screen.end()
        # An answer that is none is not made another by what only watches.
        with suppress(ProtocolViolation):
            await self._review(self._chosen, self._events)
        return left


class GuardScreens:
    """Makes the screens of one request, over what it is answered. `alters`: something may keep events from leaving."""

    __slots__ = ("_enforced", "_names", "_review", "_running", "_watch", "_watching", "_whole", "alters")

    def __init__(self, gate: Gate, chosen: Sequence[Chosen], ask: Ask, permits: Permits) -> None:
        assert completes(ask.dialect)
        self._names: Final = CHANNELS[ask.dialect.wire]
        self._watching = [each for each in chosen if each.guard.mode is Mode.AUDIT]
        self._enforced = [each for each in chosen if each.guard.mode is not Mode.AUDIT]
        names = (self._names.text, self._names.thought)
        found = [(each, streaming(each.guard, names)) for each in self._enforced]
        self._whole = any(examine is None for _, examine in found)
        # Those that refuse see what came, those that rewrite what the one before left.
        found.sort(key=lambda pair: (pair[0].guard.rewrites, pair[0].guard.priority if pair[0].guard.rewrites else 0))
        self._running = [(each, examine) for each, examine in found if examine is not None]
        self.alters = bool(self._enforced)
        # Guardrails that only watch see an answer as it came, which is as it leaves where no others are.
        self._review = Review(gate, ask, ask.dialect, permits, all_of_it=self._whole or not self.alters)
        self._watch = Review(gate, ask, ask.dialect, permits, all_of_it=not self.alters)

    def __call__(self) -> Screen:
        screen: Screen | None = None
        if self.alters:
            running = () if self._whole else tuple(Running(each, examine) for each, examine in self._running)
            screen = Held(self._review, self._enforced, running, self._names, whole=self._whole)
        return Observed(screen, self._watch, self._watching) if self._watching or screen is None else screen
