"""An answer on its way, of which only what guardrails have seen leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from llm_proxy.completion.answer import Event, Finished, ReasoningPiece, Started, TextPiece, ToolPiece, Used
from llm_proxy.guarding.grammars import Channels
from llm_proxy.guarding.running import Key, Running
from mcp_gateway.core.errors import Blocked, ProtocolViolation
from mcp_gateway.envelopes.safety.rules import Chosen

MOST_HELD: Final = 16 << 20
"""Characters of a stream that are held until it is over; one that says more cannot be looked at."""


class Reviews(Protocol):
    """`screens.Review` is the real one."""

    def __call__(self, chosen: Sequence[Chosen], events: Sequence[Event]) -> Awaitable[Sequence[Event]]: ...

    def told(self, running: Sequence[Running]) -> None: ...


class Held:
    """A screen. Words pass through the windows of `running`; from its first tool call on, what a choice says is held to
    the end and looked at as a whole, since nobody can use half of a call. With `whole` everything is.

    Where a choice's words are one text to its client, they go on through the windows whatever comes between; else a
    text ends where another begins. Nothing leaves before words do, so that a refusal can still be an answer. Words are
    given to the windows in such parts that each is looked at by itself: what leaves before a refusal, and what it says,
    depend on the words alone.
    """

    __slots__ = (
        "_begun",
        "_chosen",
        "_first",
        "_holding",
        "_names",
        "_open",
        "_review",
        "_running",
        "_size",
        "_start",
        "_tail",
        "refused",
    )

    def __init__(
        self, review: Reviews, chosen: Sequence[Chosen], running: Sequence[Running], names: Channels, *, whole: bool
    ) -> None:
        self._review = review
        self._chosen = chosen
        self._running = running
        self._names = names
        self.refused: Blocked | None = None
        self._first: list[Event] = []
        self._begun = False
        self._start = Started("", "")
        self._tail: list[Event] = []
        self._size = 0
        # The choices of which all is held; None for every one.
        self._holding: set[int] | None = None if whole else set()
        # The texts under way, with how much had been found before.
        self._open: dict[Key, int] = {}

    def see(self, event: Event) -> Sequence[Event]:
        """What may leave now; nothing more once it is `refused`."""
        if self.refused is not None:
            return ()
        match event:
            case Started() | Used() if not self._begun:
                self._start = event if isinstance(event, Started) else self._start
                self._first.append(event)
                return ()
            case Started() | Used():
                return (event,)
        passed = self._seen(event)
        if self._blocks:
            # What came before has passed the windows, and would have left if it had come by itself.
            passed = [each for each in passed if isinstance(each, TextPiece | ReasoningPiece) and each.text]
            try:
                self._review.told(self._running)
            except Blocked as refused:
                self.refused = refused
        return self._leave(passed) if passed else ()

    async def end(self) -> Sequence[Event]:
        """What may leave of the rest. Raises `Blocked`."""
        if self.refused is not None:
            raise self.refused
        passed = [left for key in list(self._open) for left in self._close(key)]
        # What the tail is judged by is told with it.
        if self._blocks or any(each.found for each in self._running) or not self._tail:
            self._review.told(self._running)
        if self._tail:
            passed += await self._reviewed()
        return self._leave(passed)

    def _seen(self, event: Event) -> list[Event]:
        assert not isinstance(event, Started | Used)
        choice, joined = event.choice, self._names.joined
        words = isinstance(event, TextPiece | ReasoningPiece)
        if self._holding is None or (choice in self._holding and not (words and joined)):
            self._hold(event)
            return []
        match event:
            case TextPiece(_, text):
                passed = [] if joined else self._close((choice, True))
                return passed + self._words((choice, False), text)
            case ReasoningPiece():
                passed = [] if joined else self._close((choice, False))
                return passed + self._thought(event)
        ended = [] if joined and not isinstance(event, Finished) else self._close_all(choice)
        if isinstance(event, Finished):
            return [*ended, event]
        self._holding.add(choice)
        self._hold(event)
        return ended

    def _hold(self, event: Event) -> None:
        self._tail.append(event)
        self._size += size_of(event)
        if self._size > MOST_HELD:
            raise ProtocolViolation("the provider's answer is too long for the guardrails that have to see all of it")

    def _words(self, key: Key, text: str) -> list[Event]:
        self._open.setdefault(key, self._found)
        name = self._names.of(thought=key[1])
        left = ""
        while text and not self._blocks:
            sizes = (each.missing(key, name) for each in self._running)
            size = next((size for size in sizes if size is not None), len(text))
            part, text = text[:size], text[size:]
            for each in self._running:
                part = each.feed(key, name, part)
            left += part
        return [_piece(key, left)] if left else []

    def _thought(self, event: ReasoningPiece) -> list[Event]:
        key = (event.choice, True)
        passed = self._words(key, event.text) if event.text else []
        if event.signature or event.redacted:
            before = self._open.get(key, self._found)
            passed += self._close(key)
            # A proof is of what was thought: of something else it is none.
            signature = event.signature if self._found == before else ""
            if signature or event.redacted:
                passed.append(ReasoningPiece(event.choice, "", signature, event.redacted))
        return passed

    def _close_all(self, choice: int) -> list[Event]:
        return [*self._close((choice, True)), *self._close((choice, False))]

    def _close(self, key: Key) -> list[Event]:
        """What leaves of the rest of a text, which ends."""
        if self._open.pop(key, None) is None:
            return []
        name = self._names.of(thought=key[1])
        rest = ""
        for each in self._running:
            rest = each.feed(key, name, rest) + each.end(key)
        return [_piece(key, rest)] if rest and not self._blocks else []

    @property
    def _blocks(self) -> bool:
        return any(each.blocks for each in self._running)

    @property
    def _found(self) -> int:
        return sum(sum(each.found.values()) for each in self._running)

    async def _reviewed(self) -> Sequence[Event]:
        held = [self._start, *self._tail]
        left = await self._review(self._chosen, held)
        if left is held:
            return self._tail
        # What was written anew counts its choices from 0.
        numbers = sorted({event.choice for event in self._tail if not isinstance(event, Started | Used)})
        return [
            event._replace(choice=numbers[event.choice])
            for event in left
            if not isinstance(event, Started | Used) and event.choice < len(numbers)
        ]

    def _leave(self, passed: Sequence[Event]) -> Sequence[Event]:
        first, self._first = self._first, []
        self._begun = True
        return [*first, *passed]


def _piece(key: Key, text: str) -> Event:
    choice, thought = key
    return ReasoningPiece(choice, text) if thought else TextPiece(choice, text)


def size_of(event: Event) -> int:
    """How many characters it takes to keep `event`, about."""
    match event:
        case TextPiece(_, text):
            return len(text) + 64
        case ReasoningPiece():
            return len(event.text) + len(event.signature) + len(event.redacted) + 64
        case ToolPiece(_, _, arguments):
            return len(arguments) + 64
    return 64
