"""One guardrail over the words of an answer while they arrive. Sans-IO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Final

from mcp_gateway.envelopes.safety.channel import Channel
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.off_loop import OffLoop
from mcp_gateway.envelopes.safety.rules import Chosen
from mcp_gateway.envelopes.safety.verdict import Action, Judgement, Verdict, enforced

Key = tuple[int, bool]
"""A text of an answer: the choice, and whether it is what the model thinks."""


def streaming(guard: Guard, names: Iterable[str]) -> ExamineTexts | None:
    """What of `guard` can look at texts under `names` while they arrive; None if it needs them whole."""
    examine = guard.examine.examine if isinstance(guard.examine, OffLoop) else guard.examine
    if not isinstance(examine, ExamineTexts):
        return None
    return examine if all(examine.streams(name, rewrite=guard.rewrites) for name in names) else None


class Running:
    """A guardrail with its windows, one for each text that is under way. What it fails at is for its mode to decide."""

    __slots__ = ("_channels", "_examine", "_failure", "_found", "blocks", "chosen")

    def __init__(self, chosen: Chosen, examine: ExamineTexts) -> None:
        self.chosen: Final = chosen
        self.blocks = False
        """Whether nothing more may leave."""
        self._examine = examine
        self._channels: dict[Key, Channel] = {}
        self._found: Counter[str] = Counter()
        self._failure: str | None = None
        if chosen.guard.circuit.admit(monotonic()):
            # An answer that is given up says nothing of it.
            chosen.guard.circuit.undecided()
        else:
            self._fail("open")

    def missing(self, key: Key, name: str) -> int | None:
        """How many characters of the text `key` have to come for the next look at it; None if it is not looked at."""
        return None if self._failure is not None or self._examine.ignores(name) else self._channel(key, name).missing

    def feed(self, key: Key, name: str, text: str) -> str:
        """What it lets through of the text `key`, which stands under `name`, now that `text` has come."""
        if self._failure is not None or not text or self._examine.ignores(name):
            return text
        channel = self._channel(key, name)
        before = channel.held
        try:
            left = channel.feed(text)
        except Exception as failure:  # whatever goes wrong in a guardrail is for its mode to decide
            return self._failed(key, failure, before + text)
        self.blocks = self.blocks or channel.blocked
        return left

    def end(self, key: Key) -> str:
        """What it lets through of the rest of the text `key`, which ends."""
        channel = self._channels.get(key)
        if channel is None:
            return ""
        before = channel.held
        if self._failure is not None:
            return self._failed(key, None, before)
        try:
            rest = channel.end()
        except Exception as failure:  # as above
            return self._failed(key, failure, before)
        self.blocks = self.blocks or channel.blocked
        self._found.update(channel.found)
        del self._channels[key]
        return rest

    @property
    def found(self) -> Mapping[str, int]:
        """How much was found in all texts, by kind."""
        return sum((Counter(each.found) for each in self._channels.values()), self._found)

    def judged(self) -> Judgement:
        """What it said of the answer, which is over for it."""
        guard = self.chosen.guard
        if self._failure is not None:
            action = enforced(Verdict.ERROR, guard.mode, rewritten=False)
            return Judgement(guard.name, Verdict.ERROR, action, self.found, failure=self._failure)
        guard.circuit.succeeded()
        verdict = Verdict.DENY if self.found else Verdict.PASS
        action = enforced(verdict, guard.mode, rewritten=guard.rewrites)
        return Judgement(guard.name, verdict, action, self.found)

    def _channel(self, key: Key, name: str) -> Channel:
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = self._examine.channel(name, rewrite=self.chosen.guard.rewrites)
        return channel

    def _failed(self, key: Key, failure: Exception | None, held: str) -> str:
        del self._channels[key]
        if failure is not None:
            self.chosen.guard.circuit.failed(monotonic())
            self._fail(type(failure).__name__)
        return "" if self.blocks else held

    def _fail(self, failure: str) -> None:
        self._failure = failure
        self.blocks = enforced(Verdict.ERROR, self.chosen.guard.mode, rewritten=False) is Action.BLOCK
