"""The events of a streamed response → events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
from llm_proxy.completion.wire import StreamFault
from llm_proxy.providers.fields import a_text, an_object, parse, seconds
from llm_proxy.providers.openai_fault import openai_fault
from llm_proxy.providers.openai_responses.answer import finish, reasoning, response_usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent

Json = dict[str, Any]


class ResponsesReader:
    """Reads one stream. Events it does not know are passed over: the API grows."""

    __slots__ = ("_begun", "_calls", "_ended", "_said")

    def __init__(self) -> None:
        self._begun = False
        self._ended = False
        self._calls: dict[int, int] = {}  # the place of an item among all → the number of the call
        self._said: set[int] = set()  # places of items of which pieces have come

    def read(self, event: SseEvent) -> Sequence[Event]:
        """Raises `ProtocolViolation`, or `StreamFault` where the provider says that it failed."""
        if event.data == b"[DONE]":
            return ()
        body = parse(event.data)
        kind = a_text(body.get("type"), "type").removeprefix("response.")
        if kind in ("error", "failed"):
            response = body.get("response")
            raise StreamFault(openai_fault(0, response if type(response) is dict else body))
        if kind in ("created", "in_progress", "queued"):
            return self._start(an_object(body.get("response"), "response"))
        if not self._begun:
            raise ProtocolViolation("the provider's stream does not begin with a response")
        if self._ended:
            raise ProtocolViolation("the provider's stream goes on after its end")
        if kind in ("completed", "incomplete"):
            return self._end(an_object(body.get("response"), "response"))
        return self._piece(kind, body)

    def end(self) -> Sequence[Event]:
        """Raises `ProtocolViolation` where the answer was not complete."""
        if not self._ended:
            raise ProtocolViolation("the provider's stream ended before its answer did")
        return ()

    def _start(self, response: Json) -> Sequence[Event]:
        if self._begun:
            return ()
        self._begun = True
        id, model = a_text(response.get("id"), "id"), a_text(response.get("model"), "model")
        return (Started(id, model, seconds(response.get("created_at"))),)

    def _end(self, response: Json) -> Sequence[Event]:
        self._ended = True
        finished = Finished(0, finish(response, called=bool(self._calls)))
        usage = response_usage(response.get("usage"))
        return (finished,) if usage is None else (finished, Used(usage))

    def _piece(self, kind: str, body: Json) -> Sequence[Event]:
        match kind:
            case "output_text.delta" | "refusal.delta":
                self._said.add(_place(body))
                return (TextPiece(0, a_text(body.get("delta"), "delta")),)
            case "reasoning_summary_text.delta" | "reasoning_text.delta":
                self._said.add(_place(body))
                return (ReasoningPiece(0, a_text(body.get("delta"), "delta")),)
            case "reasoning_summary_part.added" if body.get("summary_index"):
                return (ReasoningPiece(0, "\n\n"),)
            case "function_call_arguments.delta":
                return self._arguments(_place(body), a_text(body.get("delta"), "delta"))
            case "output_item.added":
                item = an_object(body.get("item"), "item")
                return self._call(_place(body), item) if item.get("type") == "function_call" else ()
            case "output_item.done":
                return self._done(_place(body), an_object(body.get("item"), "item"))
            case _:
                return ()

    def _call(self, place: int, item: Json) -> Sequence[Event]:
        if place in self._calls:
            raise ProtocolViolation("the provider's stream begins a tool call twice")
        call = self._calls[place] = len(self._calls)
        started = ToolStarted(0, call, a_text(item.get("call_id"), "call_id"), a_text(item.get("name"), "name"))
        return (started, *self._arguments(place, a_text(item.get("arguments"), "arguments")))

    def _arguments(self, place: int, piece: str) -> Sequence[Event]:
        call = self._calls.get(place)
        if call is None:
            raise ProtocolViolation("the provider's stream holds arguments of a tool call that has not begun")
        if not piece:
            return ()
        self._said.add(place)
        return (ToolPiece(0, call, piece),)

    def _done(self, place: int, item: Json) -> Sequence[Event]:
        """What the item holds beyond its pieces: the proof of a thought; everything, where no piece came before."""
        match item.get("type"):
            case "reasoning":
                thought = reasoning(item)
                text = "" if place in self._said else thought.text
                return (ReasoningPiece(0, text, thought.signature),) if text or thought.signature else ()
            case "function_call" if place not in self._calls:
                return self._call(place, item)
            case "function_call" if place not in self._said:
                return self._arguments(place, a_text(item.get("arguments"), "arguments"))
            case _:
                return ()


def _place(body: Json) -> int:
    place = body.get("output_index", 0)
    if type(place) is not int:
        raise ProtocolViolation("the provider's stream is wrong: output_index is not a whole number")
    return place
