"""Events of an answer → the events of a streamed response. Pure.

A message and a reasoning item end where another item begins. Function calls stay open to the end of the answer,
because a provider may write several of them at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

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
from llm_proxy.completion.proof import encrypted
from llm_proxy.completion.request import Completion
from llm_proxy.ingress.responses.whole import call_item, ended, message_item, reasoning_item, snapshot, text_part
from llm_proxy.spend.usage import Usage

Json = dict[str, Any]


@dataclass(slots=True)
class _Item:
    """An output item that is not complete: its place among the items, and what has been written of it."""

    number: int
    item: Json
    pieces: list[str] = field(default_factory=list)


class ResponsesWriter:
    """Writes one stream. Only the first choice is written: this dialect knows no other."""

    __slots__ = ("_base", "_calls", "_completion", "_finish", "_open", "_output", "_sequence", "_usage")

    def __init__(self, completion: Completion) -> None:
        self._completion = completion
        self._base: Json = {}
        self._sequence = 0
        self._output: list[Json] = []
        self._open: _Item | None = None
        self._calls: dict[int, _Item] = {}
        self._finish: Finish = "stop"
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        """The server-sent events that say `event`; empty for what is told at the end."""
        match event:
            case TextPiece(0, text) if text:
                return self._text(text)
            case ReasoningPiece(choice=0) if event.text or event.signature or event.redacted:
                return self._thought(event)
            case ToolStarted(0, call, id, name):
                return self._close() + self._begin_call(call, id, name)
            case ToolPiece(0, call, arguments) if arguments and call in self._calls:
                item = self._calls[call]
                item.pieces.append(arguments)
                return self._event("function_call_arguments.delta", item, delta=arguments)
            case Started(id, model, created):
                self._base = snapshot(self._completion, id, model, created)
                return self._response("created", self._base) + self._response("in_progress", self._base)
            case Finished(0, finish):
                self._finish = finish
                return self._close() + b"".join([self._end_call(item) for item in self._calls.values()])
            case Used(usage):
                self._usage = usage
        return b""

    def end(self) -> bytes:
        """The whole response once more, with what was used."""
        final = ended(self._base, self._finish, self._output, self._usage)
        return self._response(final["status"], final)

    def _text(self, text: str) -> bytes:
        begun = b""
        if self._open is None or self._open.item["type"] != "message":
            begun = self._close()
            self._open = self._begin(message_item(self._base["id"], len(self._output), "in_progress"))
            begun += self._event("output_item.added", self._open, item=self._open.item, item_id=None)
            begun += self._event("content_part.added", self._open, content_index=0, part=text_part(""))
        self._open.pieces.append(text)
        return begun + self._event("output_text.delta", self._open, content_index=0, delta=text, logprobs=[])

    def _thought(self, piece: ReasoningPiece) -> bytes:
        out = b""
        if self._open is not None and (piece.redacted or self._open.item["type"] != "reasoning"):
            out = self._close()
        if self._open is None:
            self._open = self._begin(reasoning_item(self._base["id"], len(self._output), "", ""))
            out += self._event("output_item.added", self._open, item=self._open.item, item_id=None)
        if piece.text:
            if not self._open.pieces:
                part = {"type": "summary_text", "text": ""}
                out += self._event("reasoning_summary_part.added", self._open, summary_index=0, part=part)
            self._open.pieces.append(piece.text)
            out += self._event("reasoning_summary_text.delta", self._open, summary_index=0, delta=piece.text)
        if piece.redacted or piece.signature:
            self._open.item["encrypted_content"] = encrypted(piece.signature, piece.redacted)
            out += self._close()
        return out

    def _begin_call(self, call: int, id: str, name: str) -> bytes:
        item = call_item(self._base["id"], len(self._output), id, name, "", "in_progress")
        opened = self._calls[call] = self._begin(item)
        return self._event("output_item.added", opened, item=item, item_id=None)

    def _begin(self, item: Json) -> _Item:
        opened = _Item(len(self._output), item)
        self._output.append(item)
        return opened

    def _close(self) -> bytes:
        """Ends the message or the reasoning item that is open, if one is."""
        opened, self._open = self._open, None
        if opened is None:
            return b""
        text = "".join(opened.pieces)
        item = opened.item
        if item["type"] == "message":
            part = text_part(text)
            out = self._event("output_text.done", opened, content_index=0, text=text, logprobs=[])
            out += self._event("content_part.done", opened, content_index=0, part=part)
            done = {**item, "status": "completed", "content": [part]}
        elif text:
            summary = {"type": "summary_text", "text": text}
            out = self._event("reasoning_summary_text.done", opened, summary_index=0, text=text)
            out += self._event("reasoning_summary_part.done", opened, summary_index=0, part=summary)
            done = {**item, "summary": [summary]}
        else:
            out, done = b"", item
        return out + self._done(opened, done)

    def _end_call(self, opened: _Item) -> bytes:
        arguments = "".join(opened.pieces)
        out = self._event("function_call_arguments.done", opened, arguments=arguments, name=opened.item["name"])
        return out + self._done(opened, {**opened.item, "arguments": arguments, "status": "completed"})

    def _done(self, opened: _Item, item: Json) -> bytes:
        self._output[opened.number] = item
        return self._event("output_item.done", opened, item=item, item_id=None)

    def _event(self, kind: str, opened: _Item, **more: object) -> bytes:
        """An event about one item. `item_id=None` leaves that member out, where the item itself is told."""
        said: Json = {"output_index": opened.number, "item_id": opened.item["id"], **more}
        if said["item_id"] is None:
            del said["item_id"]
        return self._write(kind, said)

    def _response(self, kind: str, response: Json) -> bytes:
        return self._write(kind, {"response": response})

    def _write(self, kind: str, said: Json) -> bytes:
        data = orjson.dumps({"type": f"response.{kind}", "sequence_number": self._sequence, **said})
        self._sequence += 1
        return b"event: response.%b\ndata: %b\n\n" % (kind.encode(), data)
