"""The events of a stream ↔ the whole answer they make. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_proxy.completion.answer import (
    Answer,
    Choice,
    Event,
    Finish,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.request import Part, Reasoning, Text, ToolUse
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation


@dataclass(slots=True)
class _Words:
    """A text that still grows: `signed` is set once its signature came, after which more would be another thought."""

    thought: bool
    pieces: list[str]
    signature: str = ""
    redacted: str = ""

    def part(self) -> Part:
        text = "".join(self.pieces)
        return Reasoning(text, self.signature, self.redacted) if self.thought else Text(text)


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    pieces: list[str] = field(default_factory=list)

    def part(self) -> Part:
        return ToolUse(self.id, self.name, "".join(self.pieces))


@dataclass(slots=True)
class _Choice:
    parts: list[_Words | _Call] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    finish: Finish | None = None
    stop: str = ""


class Fold:
    """Takes the events of one stream and gives the answer that they make together.

    Text that comes in a row is one part, and so is what a model thinks, up to its signature. Redacted thinking is
    always a part of its own.
    """

    __slots__ = ("_choices", "_started", "_usage")

    def __init__(self) -> None:
        self._started: Started | None = None
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None

    def add(self, event: Event) -> None:
        """Take the next event.

        Raises:
            ProtocolViolation: a second start or end of the same thing, or a piece of what has not begun or is complete.
        """
        match event:
            case TextPiece(choice, text):
                if text:
                    self._words(self._open(choice), text, thought=False)
            case ToolPiece(choice, call, arguments):
                begun = self._open(choice).calls.get(call)
                if begun is None:
                    raise ProtocolViolation("arguments of a tool call that has not begun")
                begun.pieces.append(arguments)
            case ReasoningPiece():
                self._thought(self._open(event.choice), event)
            case ToolStarted(choice, call, id, name):
                opened = self._open(choice)
                if call in opened.calls:
                    raise ProtocolViolation("a tool call that begins twice")
                opened.calls[call] = _Call(id, name)
                opened.parts.append(opened.calls[call])
            case Finished(choice, finish, stop):
                opened = self._open(choice)
                opened.finish, opened.stop = finish, stop
            case Used(usage):
                self._usage = usage
            case Started():
                if self._started is not None:
                    raise ProtocolViolation("an answer that begins twice")
                self._started = event

    def answer(self) -> Answer:
        """The whole answer, its choices in the order of their numbers.

        Raises:
            ProtocolViolation: the stream has not begun, or a choice in it is not complete.
        """
        if self._started is None:
            raise ProtocolViolation("an answer that never began")
        choices = []
        for _, choice in sorted(self._choices.items()):
            if choice.finish is None:
                raise ProtocolViolation("an answer that is not complete")
            choices.append(Choice(tuple(part.part() for part in choice.parts), choice.finish, choice.stop))
        return Answer(self._started.id, self._started.model, tuple(choices), self._usage, self._started.created)

    def _open(self, number: int) -> _Choice:
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Choice()
        elif choice.finish is not None:
            raise ProtocolViolation("more of an answer that was complete")
        return choice

    def _words(self, choice: _Choice, text: str, *, thought: bool) -> _Words:
        last = choice.parts[-1] if choice.parts else None
        if isinstance(last, _Words) and last.thought is thought and not (last.signature or last.redacted):
            last.pieces.append(text)
            return last
        fresh = _Words(thought, [text])
        choice.parts.append(fresh)
        return fresh

    def _thought(self, choice: _Choice, piece: ReasoningPiece) -> None:
        if piece.redacted:
            choice.parts.append(_Words(True, [piece.text], piece.signature, piece.redacted))
        elif piece.text or piece.signature:
            self._words(choice, piece.text, thought=True).signature = piece.signature


def unfold(answer: Answer) -> Iterator[Event]:
    """The events of a stream that says `answer`: one for each text, two for each tool call. Folded, they give it again.

    What an answer cannot hold (an image, a tool's result) and empty texts are left out.
    """
    yield Started(answer.id, answer.model, answer.created)
    for number, choice in enumerate(answer.choices):
        calls = 0
        for part in choice.parts:
            match part:
                case Text(text) if text:
                    yield TextPiece(number, text)
                case Reasoning(text, signature, redacted) if text or signature or redacted:
                    yield ReasoningPiece(number, text, signature, redacted)
                case ToolUse(id, name, arguments):
                    yield ToolStarted(number, calls, id, name)
                    if arguments:
                        yield ToolPiece(number, calls, arguments)
                    calls += 1
                case _:
                    pass
        yield Finished(number, choice.finish, choice.stop)
    if answer.usage is not None:
        yield Used(answer.usage)
