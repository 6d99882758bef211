"""Anthropic's stream of events → events in no dialect. Pure; has state.

Kinds of events, blocks and deltas that are not known are passed over, as Anthropic asks of every reader: it adds to
them without notice. Usage is told twice, at the start and, cumulative and with gaps, towards the end: what comes later
replaces what came before, member by member.

Nearly all events are pieces of text, in one spelling. That spelling is compared as bytes and only the text in it is
read as JSON: it saves more than half of what a piece costs. Any other spelling is read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson

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
from llm_proxy.providers.anthropic_messages.answer import tool_of
from llm_proxy.providers.anthropic_messages.faults import fault_of
from llm_proxy.providers.anthropic_messages.words import finish_of, to_arguments, usage_of
from llm_proxy.providers.fields import a_text, an_object, parse
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseEvent

Json = dict[str, Any]

_NOTHING: Final[Sequence[Event]] = ()
_NO_CALL: Final = -1
_TEXT_DELTA: Final = b'{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":"'
_NEVER: Final = b"no event begins so"


class MessageReader:
    """Reads one stream."""

    __slots__ = ("_blocks", "_calls", "_ended", "_inputs", "_reason", "_started", "_stop", "_text", "_usage")

    def __init__(self) -> None:
        self._started = False
        self._ended = False
        self._blocks: dict[int, int] = {}  # open block → the number of its tool call, if it is one
        self._inputs: dict[int, str] = {}  # block → the arguments that its beginning brought, if nothing follows
        self._text = _NEVER  # what pieces of the text that is open begin with
        self._calls = 0
        self._usage: Json = {}
        self._reason = ""
        self._stop = ""

    def read(self, event: SseEvent) -> Sequence[Event]:
        """What one server-sent event says."""
        data = event.data
        if data.startswith(self._text):
            text = _only_text(data, len(self._text) - 1)
            if text is not None:
                return (TextPiece(0, text),)
        if not data:
            return _NOTHING
        body = parse(data)
        kind = body.get("type")
        read = _EVENTS.get(kind) if type(kind) is str else None
        if read is not None:
            if self._ended or not (self._started or kind in _FIRST):
                raise ProtocolViolation("the provider's stream is wrong: an event before its start or after its end")
            return read(self, body)
        if kind == "error":
            raise StreamFault(fault_of(500, body))
        if type(kind) is not str:
            raise ProtocolViolation("the provider's stream is wrong: an event has no type")
        return _NOTHING

    def end(self) -> Sequence[Event]:
        """The body ended."""
        if not self._ended:
            raise ProtocolViolation("the provider's stream ended before its answer was complete")
        return _NOTHING

    def _message_start(self, body: Json) -> Sequence[Event]:
        if self._started:
            raise ProtocolViolation("the provider's stream is wrong: it starts twice")
        self._started = True
        message = an_object(body.get("message"), "message")
        began = Started(a_text(message.get("id"), "id"), a_text(message.get("model"), "model"))
        return (began, *self._used(message.get("usage")))

    def _block_start(self, body: Json) -> Sequence[Event]:
        index = _index(body)
        if index in self._blocks:
            raise ProtocolViolation("the provider's stream is wrong: a block starts twice")
        block = an_object(body.get("content_block"), "content_block")
        self._blocks[index] = _NO_CALL
        match block.get("type"):
            case "text":
                self._text = _TEXT_DELTA % index
                text = a_text(block.get("text"), "text")
                return (TextPiece(0, text),) if text else _NOTHING
            case "thinking":
                text, proof = a_text(block.get("thinking"), "thinking"), a_text(block.get("signature"), "signature")
                return (ReasoningPiece(0, text, proof),) if text or proof else _NOTHING
            case "redacted_thinking":
                return (ReasoningPiece(0, "", "", a_text(block.get("data"), "data")),)
            case "tool_use":
                call = self._blocks[index] = self._calls
                self._calls += 1
                if block.get("input"):
                    self._inputs[index] = to_arguments(an_object(block.get("input"), "the input of a tool call"))
                return (ToolStarted(0, call, *tool_of(block)),)
        return _NOTHING

    def _block_delta(self, body: Json) -> Sequence[Event]:
        index = _index(body)
        call = self._blocks.get(index)
        if call is None:
            raise ProtocolViolation("the provider's stream is wrong: a piece of a block that is not open")
        delta = an_object(body.get("delta"), "delta")
        match delta.get("type"):
            case "text_delta":
                return (TextPiece(0, a_text(delta.get("text"), "text")),)
            case "input_json_delta" if call != _NO_CALL:
                piece = a_text(delta.get("partial_json"), "partial_json")
                if not piece:
                    return _NOTHING
                self._inputs.pop(index, None)
                return (ToolPiece(0, call, piece),)
            case "thinking_delta":
                return (ReasoningPiece(0, a_text(delta.get("thinking"), "thinking")),)
            case "signature_delta":
                return (ReasoningPiece(0, "", a_text(delta.get("signature"), "signature")),)
        return _NOTHING

    def _block_stop(self, body: Json) -> Sequence[Event]:
        index = _index(body)
        self._text = _NEVER
        call = self._blocks.pop(index, None)
        if call is None:
            raise ProtocolViolation("the provider's stream is wrong: a block ends that is not open")
        whole = self._inputs.pop(index, "")
        return (ToolPiece(0, call, whole),) if whole else _NOTHING

    def _message_delta(self, body: Json) -> Sequence[Event]:
        delta = an_object(body.get("delta"), "delta")
        self._reason = a_text(delta.get("stop_reason"), "stop_reason") or self._reason
        self._stop = a_text(delta.get("stop_sequence"), "stop_sequence") or self._stop
        return self._used(body.get("usage"))

    def _message_stop(self, _body: Json) -> Sequence[Event]:
        if not self._reason:
            raise ProtocolViolation("the provider's stream is wrong: it stops without a stop_reason")
        self._ended, self._text = True, _NEVER
        unsaid = [ToolPiece(0, self._blocks[index], whole) for index, whole in self._inputs.items()]
        return (*unsaid, Finished(0, finish_of(self._reason), self._stop))

    def _used(self, counts: object) -> Sequence[Event]:
        if type(counts) is not dict:
            return _NOTHING
        self._usage.update({key: value for key, value in counts.items() if value is not None})
        usage = usage_of(self._usage)
        return _NOTHING if usage is None else (Used(usage),)


def _only_text(data: bytes, start: int) -> str | None:
    """The string from `start` on, if two closing brackets and blanks are all that follows it."""
    end = len(data.rstrip(b" }"))
    if data.count(b"}", end) != 2:
        return None
    try:
        text = orjson.loads(data[start:end])
    except orjson.JSONDecodeError:
        return None
    return text if type(text) is str else None


def _index(body: Json) -> int:
    index = body.get("index")
    if type(index) is not int:
        raise ProtocolViolation("the provider's stream is wrong: a block without a number")
    return index


_FIRST: Final = ("message_start",)
_EVENTS: Final[Mapping[str, Callable[[MessageReader, Json], Sequence[Event]]]] = MappingProxyType(
    {
        "content_block_delta": MessageReader._block_delta,
        "content_block_start": MessageReader._block_start,
        "content_block_stop": MessageReader._block_stop,
        "message_start": MessageReader._message_start,
        "message_delta": MessageReader._message_delta,
        "message_stop": MessageReader._message_stop,
    }
)
