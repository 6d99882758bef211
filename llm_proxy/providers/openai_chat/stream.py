"""The chunks of a streamed chat completion → events in no dialect. Pure; nonsense is `ProtocolViolation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llm_proxy.completion.answer import (
    Event,
    Finished,
    ReasoningPiece,
    Started,
    TextPiece,
    ToolPiece,
    ToolStarted,
    Used,
)
from llm_proxy.completion.request import Reasoning, Text
from llm_proxy.completion.wire import StreamFault
from llm_proxy.providers.fields import a_text, an_array, an_object, parse, seconds
from llm_proxy.providers.openai_chat.answer import (
    arguments_of,
    bare_thought,
    call_id,
    finish_of,
    function_of,
    number_of,
    said,
    stop_of,
    thinking_blocks,
)
from llm_proxy.providers.openai_fault import openai_fault
from llm_proxy.providers.openai_usage import chat_usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent

Json = dict[str, Any]

MOST_CALLS: Final = 1024
"""Tool calls in one choice; more are nonsense."""


@dataclass(slots=True)
class _Call:
    """A tool call. Some servers send its name after its id: until then its arguments wait in `held`."""

    number: int
    id: str = ""
    begun: bool = False
    held: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Choice:
    """`by_index` are the calls by the number that the server gives them; `last` is the one that came last.

    `thinks` is set while words of a thought have come whose proof has not: a block then repeats these words.
    """

    calls: int = 0
    by_index: dict[int, _Call] = field(default_factory=dict)
    last: _Call | None = None
    thinks: bool = False
    refused: bool = False
    finished: bool = False


class ChunkReader:
    """Reads one stream. Holds no text: only which choices and tool calls have begun."""

    __slots__ = ("_choices", "_done", "_started")

    def __init__(self) -> None:
        self._started = False
        self._done = False
        self._choices: dict[int, _Choice] = {}

    def read(self, event: SseEvent) -> Sequence[Event]:
        """The events that one chunk says; none after `[DONE]`."""
        if self._done or event.data.startswith(b"[DONE]"):
            self._done = True
            return ()
        if not event.data:
            return ()
        chunk = parse(event.data)
        if event.event == b"error" or chunk.get("error") is not None:
            raise StreamFault(openai_fault(0, chunk))
        events: list[Event] = []
        choices = an_array(chunk.get("choices"), "choices")
        if not self._started:
            # Some servers send what they think of the prompt first, in a chunk without id and choices.
            id = a_text(chunk.get("id"), "id")
            if id or choices:
                self._started = True
                events.append(Started(id, a_text(chunk.get("model"), "model"), seconds(chunk.get("created"))))
        for value in choices:
            self._choice(an_object(value, "a choice"), events)
        told = chunk.get("usage")
        if told is not None and self._started and (usage := chat_usage(told)) is not None:
            events.append(Used(usage))
        return events

    def end(self) -> Sequence[Event]:
        """Some servers leave `[DONE]` out; every choice must have said why it ended."""
        if not self._choices or not all(choice.finished for choice in self._choices.values()):
            raise ProtocolViolation("the provider's stream ended before the answer was complete")
        return ()

    def _choice(self, value: Json, events: list[Event]) -> None:
        number = number_of(value.get("index", 0))
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Choice()
        delta = value.get("delta")
        before = len(events)
        if type(delta) is dict and len(delta) == 1 and type(delta.get("content")) is str:  # nearly all of them
            if delta["content"]:
                choice.thinks = False
                events.append(TextPiece(number, delta["content"]))
        elif delta is not None:
            self._delta(number, choice, an_object(delta, "delta"), events)
        if choice.finished:
            if len(events) > before:
                raise ProtocolViolation("the provider's stream goes on after a choice was complete")
            return
        reason = a_text(value.get("finish_reason"), "finish_reason")
        if reason:
            if not all(call.begun for call in choice.by_index.values()):
                raise ProtocolViolation("the provider's stream holds a tool call without a name")
            choice.finished = True
            finish = finish_of(reason, called=choice.calls > 0, refused=choice.refused)
            events.append(Finished(number, finish, stop_of(value)))

    def _delta(self, number: int, choice: _Choice, delta: Json, events: list[Event]) -> None:
        thought = bare_thought(delta)
        if thought:
            choice.thinks = True
            events.append(ReasoningPiece(number, thought))
        for block in thinking_blocks(delta):
            text = "" if choice.thinks else block.text
            if text or block.signature or block.redacted:
                events.append(ReasoningPiece(number, text, block.signature, block.redacted))
            choice.thinks = choice.thinks and not block.signature
        for piece in said(delta.get("content")):
            if isinstance(piece, Text) and piece.text:
                choice.thinks = False
                events.append(TextPiece(number, piece.text))
            elif isinstance(piece, Reasoning) and piece.text:
                events.append(ReasoningPiece(number, piece.text))
        refusal = a_text(delta.get("refusal"), "refusal")
        if refusal:
            choice.refused = True
            events.append(TextPiece(number, refusal))
        calls = delta.get("tool_calls")
        if calls is not None:
            for call in an_array(calls, "tool_calls"):
                self._call(number, choice, an_object(call, "a tool call"), events)

    def _call(self, number: int, choice: _Choice, delta: Json, events: list[Event]) -> None:
        function = function_of(delta)
        id, name = a_text(delta.get("id"), "id"), a_text(function.get("name"), "name")
        call = self._which(choice, delta.get("index"), id, name)
        call.id = call.id or id
        arguments = arguments_of(function)
        if not call.begun:
            if not name:
                call.held.append(arguments)
                return
            call.begun = True
            events.append(ToolStarted(number, call.number, call.id or call_id(number, call.number), name))
            arguments = "".join((*call.held, arguments))
        if arguments:
            events.append(ToolPiece(number, call.number, arguments))

    def _which(self, choice: _Choice, index: object, id: str, name: str) -> _Call:
        """The call that a delta belongs to. A new id is a new call, also where a server numbers all of them 0."""
        if index is None:
            known = choice.last if not (id or name) or (choice.last and id and choice.last.id == id) else None
            index = max(choice.by_index, default=-1) + 1
        elif type(index) is int and 0 <= index < MOST_CALLS:
            known = choice.by_index.get(index)
        else:
            raise ProtocolViolation("the provider's answer is wrong: index is not the number of a tool call")
        if known is None or (id and known.id and known.id != id):
            if known is not None and not known.begun:
                raise ProtocolViolation("the provider's stream holds a tool call without a name")
            if choice.calls >= MOST_CALLS:
                raise ProtocolViolation("the provider's answer has too many tool calls")
            known = choice.by_index[index] = _Call(choice.calls)
            choice.calls += 1
        choice.last = known
        return known
