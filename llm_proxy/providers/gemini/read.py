"""Answers of `generateContent`, and the pieces of a streamed one, which have the same shape → events. Pure.

Function calls come whole. Those of older models have no id: they get one made of the answer's, so that reading an
answer twice gives the same ids, and two answers different ones.

Thinking that is signed: the signature is on the part after the thought, and is told as the end of that thought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.answer import (
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
from llm_proxy.completion.signature import mark
from llm_proxy.completion.wire import StreamFault
from llm_proxy.providers.fields import a_text, an_array, an_object, parse
from llm_proxy.providers.gemini.fault import gemini_fault
from llm_proxy.providers.gemini.usage import gemini_usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent
from mcp_gateway.core.strictjson import JsonError, dumps

Json = dict[str, Any]

_MOST_CANDIDATES: Final = 128
_FINISHES: Final[Mapping[str, Finish]] = MappingProxyType(
    {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "filtered",
        "RECITATION": "filtered",
        "LANGUAGE": "filtered",
        "BLOCKLIST": "filtered",
        "PROHIBITED_CONTENT": "filtered",
        "SPII": "filtered",
        "MODEL_ARMOR": "filtered",
        "IMAGE_SAFETY": "filtered",
        "IMAGE_PROHIBITED_CONTENT": "filtered",
        "IMAGE_RECITATION": "filtered",
    }
)
_BROKEN: Final = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
"""The model wrote what Google itself cannot read: another attempt may go better, this answer is none."""
_UNTRANSLATED: Final = frozenset(
    {
        "inlineData",
        "fileData",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
        "functionResponse",
    }
)
"""Parts that hold content, and which no request of ours asks for."""


class GeminiReader:
    """Reads one answer, whole or in pieces."""

    __slots__ = ("_begun", "_calls", "_finishes", "_id", "_spoke", "_told")

    def __init__(self) -> None:
        self._begun = False
        self._id = ""
        self._calls: dict[int, int] = {}  # by candidate: how many calls
        self._finishes: dict[int, Finish | None] = {}  # by candidate: None while it has not ended
        self._spoke: set[int] = set()
        self._told: object = None  # the last `usageMetadata`

    def read(self, event: SseEvent) -> Sequence[Event]:
        """Raises `ProtocolViolation`, or `StreamFault` where the provider says that it failed."""
        return self.take(parse(event.data))

    def take(self, body: Json) -> list[Event]:
        """The events that one piece says. Raises as `read`."""
        if body.get("error") is not None:
            raise StreamFault(gemini_fault(0, body))
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            self._id = a_text(body.get("responseId"), "responseId")
            events.append(Started(self._id, a_text(body.get("modelVersion"), "modelVersion")))
        candidates = an_array(body.get("candidates"), "candidates")
        for candidate in candidates:
            self._candidate(an_object(candidate, "a candidate"), events)
        feedback = body.get("promptFeedback")
        if not candidates and feedback is not None and an_object(feedback, "promptFeedback").get("blockReason"):
            self._finishes[0] = "filtered"
        told = body.get("usageMetadata")
        if told != self._told:
            self._told = told
            usage = gemini_usage(told)
            if usage is not None:
                events.append(Used(usage))
        return events

    def end(self) -> list[Event]:
        """The ends of all candidates: told here, because more may follow a piece that names a reason.

        Raises `ProtocolViolation` where the answer was not complete.
        """
        events: list[Event] = []
        for number, finish in sorted(self._finishes.items()):
            if finish is None:
                raise ProtocolViolation("the provider's answer is not complete")
            events.append(Finished(number, "tool_use" if finish == "stop" and self._calls.get(number) else finish))
        if not events:
            raise ProtocolViolation("the provider's answer holds nothing")
        return events

    def _candidate(self, candidate: Json, events: list[Event]) -> None:
        number = candidate.get("index")
        number = 0 if number is None else number
        if type(number) is not int or not 0 <= number < _MOST_CANDIDATES:
            raise ProtocolViolation("the provider's answer is wrong: a candidate's index")
        self._finishes.setdefault(number, None)
        content = candidate.get("content")
        if content is not None:
            for part in an_array(an_object(content, "content").get("parts"), "parts"):
                self._part(number, an_object(part, "a part"), events)
        reason = a_text(candidate.get("finishReason"), "finishReason")
        if reason in _BROKEN:
            raise ProtocolViolation("the provider's answer is broken: the model failed to write it")
        if reason and reason != "FINISH_REASON_UNSPECIFIED":
            self._finishes[number] = _FINISHES.get(reason) or ("stop" if number in self._spoke else "filtered")

    def _part(self, number: int, part: Json, events: list[Event]) -> None:
        call, text = part.get("functionCall"), part.get("text")
        if len(part) == 1 and type(text) is str and text:  # nearly all pieces of a stream
            self._spoke.add(number)
            events.append(TextPiece(number, text))
            return
        signature = mark("gemini", a_text(part.get("thoughtSignature"), "thoughtSignature"))
        if any(part[kind] is not None for kind in _UNTRANSLATED.intersection(part)):
            raise ProtocolViolation("the provider's answer holds content that was not asked for")
        if part.get("thought") is True and call is None:
            events.append(ReasoningPiece(number, a_text(text, "text"), signature))
            return
        if signature:
            events.append(ReasoningPiece(number, "", signature))
        if call is not None:
            self._spoke.add(number)
            self._call(number, an_object(call, "functionCall"), events)
        elif text is not None and a_text(text, "text"):
            self._spoke.add(number)
            events.append(TextPiece(number, text))

    def _call(self, number: int, call: Json, events: list[Event]) -> None:
        name = a_text(call.get("name"), "name")
        args = call.get("args")
        try:
            arguments = dumps({} if args is None else an_object(args, "args")).decode()
        except JsonError:
            raise ProtocolViolation("the provider's answer is wrong: args") from None
        count = self._calls.get(number, 0)
        self._calls[number] = count + 1
        id = a_text(call.get("id"), "id")
        if not id:
            seed = "\0".join((self._id or arguments, str(number), str(count), name))
            id = f"call_{sha256(seed.encode()).hexdigest()[:24]}"
        events.append(ToolStarted(number, count, id, name))
        events.append(ToolPiece(number, count, arguments))
