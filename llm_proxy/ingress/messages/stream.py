"""Events in no dialect → the events of a streamed message. Pure; has state.

Blocks stand one after the other here, so each is closed before the next begins. A tool call whose arguments are whole
JSON when something else begins is complete. One whose arguments are not (a provider that deals its calls piece by
piece in turns) stays open, and whatever else comes waits until the end of the answer: no argument is lost.
"""

from __future__ import annotations

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
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.request import Completion, Part, Reasoning, Text, ToolUse
from llm_proxy.providers.anthropic_messages.words import stop_reason, usage_object
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import encode_event
from mcp_gateway.core.strictjson import JsonError, dumps, loads_upstream

Json = dict[str, Any]

_NO_CALL: Final = -1
_DELTA: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b_delta","%b":'
)
_END: Final = b"}}\n\n"


class MessageWriter:
    """Writes one stream. What the pieces of a block begin with is made once: a piece costs its own JSON only."""

    __slots__ = ("_arguments", "_call", "_completion", "_finished", "_head", "_index", "_kind", "_usage", "_waiting")

    def __init__(self, completion: Completion) -> None:
        self._completion = completion
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._kind = b""  # of the block that is open: text, thinking, input_json; empty if none is
        self._head = b""  # what its pieces begin with
        self._index = 0  # the number of the block that is open, or of the next
        self._call = _NO_CALL  # the tool call that is open
        self._arguments: list[str] = []  # of that call, so far
        self._waiting: Fold | None = None

    def write(self, event: Event) -> bytes:
        """The server-sent events that say `event`; empty for other choices than the first, which the dialect has not.

        Raises:
            ProtocolViolation: arguments of a tool call that was complete or never began.
        """
        match event:
            case Started():
                return self._start(event)
            case Used(usage):
                self._usage = usage
                return b""
        if event.choice != 0:
            return b""
        if isinstance(event, ToolPiece) and event.call == self._call:
            self._arguments.append(event.arguments)
            return self._piece(event.arguments)
        if self._waiting is not None and not isinstance(event, Finished):
            self._waiting.add(event)
            return b""
        match event:
            case TextPiece(_, text) if text:
                return self._piece(text) if self._kind == b"text" else self._turn_to(event)
            case ReasoningPiece(_, text, signature, redacted) if text or signature or redacted:
                if self._kind == b"thinking" and not redacted:
                    return self._think(text, signature)
                return self._turn_to(event)
            case ToolStarted():
                return self._turn_to(event)
            case ToolPiece(_, _, arguments) if arguments.strip():
                raise ProtocolViolation("the provider's stream is wrong: arguments of a tool call that is not open")
            case Finished():
                self._finished = event
                return self._close() + self._rest()
        return b""

    def end(self) -> bytes:
        """Why the answer ended, what it used, and the mark of the end."""
        finished = self._finished or Finished(0, "stop")
        delta = {
            "stop_reason": stop_reason(finished.finish, finished.stop),
            "stop_sequence": (finished.stop or None) if finished.finish == "stop" else None,
        }
        last = {"type": "message_delta", "delta": delta, "usage": usage_object(self._usage)}
        return self._close() + self._rest() + _event(last) + _event({"type": "message_stop"})

    def _start(self, started: Started) -> bytes:
        message: Json = {
            "id": started.id,
            "type": "message",
            "role": "assistant",
            "model": started.model or self._completion.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(None),
        }
        return _event({"type": "message_start", "message": message})

    def _turn_to(self, event: TextPiece | ReasoningPiece | ToolStarted) -> bytes:
        """A block of another kind begins, now or when what is open can be closed."""
        if self._kind == b"input_json" and not _whole("".join(self._arguments)):
            self._waiting = Fold()
            self._waiting.add(Started("", ""))
            self._waiting.add(event)
            return b""
        closed = self._close()
        match event:
            case TextPiece(_, text):
                return closed + self._open_text() + self._piece(text)
            case ToolStarted(_, call, id, name):
                return closed + self._open_call(call, id, name)
            case ReasoningPiece(_, text, signature, redacted):
                if redacted:
                    return closed + self._redacted(redacted)
                return closed + self._open_thought() + self._think(text, signature)

    def _rest(self) -> bytes:
        """What has waited, block by block."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return b""
        waiting.add(Finished(0, "stop"))
        return b"".join([self._part(part) for part in waiting.answer().choices[0].parts])

    def _part(self, part: Part) -> bytes:
        match part:
            case Text(text):
                said = self._open_text() + self._piece(text)
            case ToolUse(id, name, arguments):
                said = self._open_call(_NO_CALL, id, name) + self._piece(arguments)
            case Reasoning(redacted=data) if data:
                said = self._redacted(data)
            case Reasoning(text, signature):
                said = self._open_thought() + self._think(text, signature)
            case _:
                said = b""
        return said + self._close()

    def _open_text(self) -> bytes:
        return self._open(b"text", b"text", {"type": "text", "text": ""})

    def _open_thought(self) -> bytes:
        return self._open(b"thinking", b"thinking", {"type": "thinking", "thinking": "", "signature": ""})

    def _open_call(self, call: int, id: str, name: str) -> bytes:
        self._call = call
        return self._open(b"input_json", b"partial_json", {"type": "tool_use", "id": id, "name": name, "input": {}})

    def _open(self, kind: bytes, member: bytes, block: Json) -> bytes:
        self._kind = kind
        self._head = _DELTA % (self._index, kind, member)
        return _event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _piece(self, text: str) -> bytes:
        return self._head + orjson.dumps(text) + _END if text else b""

    def _think(self, text: str, signature: str) -> bytes:
        said = self._piece(text)
        if not signature:
            return said
        # Its proof ends a thought.
        return (
            said + _DELTA % (self._index, b"signature", b"signature") + orjson.dumps(signature) + _END + self._close()
        )

    def _redacted(self, data: str) -> bytes:
        return self._open(b"redacted", b"data", {"type": "redacted_thinking", "data": data}) + self._close()

    def _close(self) -> bytes:
        if not self._kind:
            return b""
        closed = _event({"type": "content_block_stop", "index": self._index})
        self._kind, self._call = b"", _NO_CALL
        self._arguments.clear()
        self._index += 1
        return closed


def _whole(arguments: str) -> bool:
    """Whether nothing but blanks can follow."""
    try:
        return type(loads_upstream(arguments.encode(errors="replace"))) is dict
    except JsonError:
        return False


def _event(body: Json) -> bytes:
    return encode_event(dumps(body), event=body["type"].encode())
