"""Events in no dialect → the chunks of a streamed chat completion. Pure."""

from __future__ import annotations

import re
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
from llm_proxy.completion.request import Completion, Reasoning
from llm_proxy.ingress.chat.answer import FINISH_REASONS, thinking_block, usage_of
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.strictjson import dumps

Json = dict[str, Any]

DONE: Final = b"data: [DONE]\n\n"

_NO_USAGE: Final = b',"usage":null'
_TEXTS_AND_END: Final = re.compile(rb'(?:,"[a-z_]{1,32}":"[^"\\]*")*\}')
_OPEN: Final = b'},"logprobs":null,"finish_reason":null}]'


class ChunkWriter:
    """Writes one stream. What all chunks begin and end with is made once: a piece of text costs its own JSON only.

    Thoughts are kept until their proof comes, because a client has to send both back together, and each in whole.
    """

    __slots__ = ("_begun", "_blocks", "_completion", "_end", "_head", "_thoughts", "_usage")

    def __init__(self, completion: Completion) -> None:
        self._completion = completion
        self._usage: Usage | None = None
        self._begun: set[int] = set()
        self._blocks: dict[int, int] = {}
        self._thoughts: dict[int, list[str]] = {}
        # A client that wants the usage is told in every chunk that it comes later.
        self._end = b',"usage":null}\n\n' if completion.stream_usage else b"}\n\n"
        self._head = self._head_of(Started("", ""))

    def write(self, event: Event) -> bytes:
        """The chunks that say `event`."""
        match event:
            case TextPiece(choice, text):
                if not text:
                    return b""
                unproven = self._unproven(choice) if self._thoughts else b""
                return unproven + self._delta(choice, b'"content":' + orjson.dumps(text))
            case ToolPiece(choice, call, arguments):
                said = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (call, orjson.dumps(arguments))
                return self._delta(choice, said)
            case ToolStarted(choice, call, id, name):
                unproven = self._unproven(choice)
                function = {"name": name, "arguments": ""}
                begun = {"index": call, "id": id, "type": "function", "function": function}
                return unproven + self._delta(choice, b'"tool_calls":[%b]' % dumps(begun))
            case ReasoningPiece():
                return self._thought(event)
            case Finished():
                return self._finish(event)
            case Used(usage):
                self._usage = usage
            case Started():
                self._head = self._head_of(event)
        return b""

    def end(self) -> bytes:
        """The usage, if the client wants it and it is known, and the mark of the end."""
        if self._usage is None or not self._completion.stream_usage:
            return DONE
        return self._head + b'],"usage":' + dumps(usage_of(self._usage)) + b"}\n\n" + DONE

    def _head_of(self, started: Started) -> bytes:
        same = {
            "id": started.id,
            "object": "chat.completion.chunk",
            "created": started.created,
            "model": started.model or self._completion.model,
            "choices": [],
        }
        return b"data: " + dumps(same)[:-2]  # up to the opening bracket of choices

    def _delta(self, choice: int, said: bytes) -> bytes:
        """A chunk with these members in its delta; the first one of a choice says whose words they are."""
        role = b""
        if choice not in self._begun:
            self._begun.add(choice)
            role = b'"role":"assistant",' if said else b'"role":"assistant"'
        return b'%b{"index":%d,"delta":{%b%b%b%b' % (self._head, choice, role, said, _OPEN, self._end)

    def _thought(self, piece: ReasoningPiece) -> bytes:
        said = b""
        if piece.text:
            self._thoughts.setdefault(piece.choice, []).append(piece.text)
            said = b'"reasoning_content":' + orjson.dumps(piece.text)
        if piece.signature or piece.redacted:
            whole = "" if piece.redacted else "".join(self._thoughts.pop(piece.choice, ()))
            block = self._block(piece.choice, Reasoning(whole, piece.signature, piece.redacted))
            said += (b"," if said else b"") + block
        return self._delta(piece.choice, said) if said else b""

    def _unproven(self, choice: int) -> bytes:
        """The thoughts for which no proof came, if there are any: what comes now proves nothing of them."""
        pieces = self._thoughts.pop(choice, None)
        return self._delta(choice, self._block(choice, Reasoning("".join(pieces)))) if pieces else b""

    def _block(self, choice: int, thought: Reasoning) -> bytes:
        number = self._blocks.get(choice, 0)
        self._blocks[choice] = number + 1
        # Clients that put chunks together ask every entry of a list for its index.
        return b'"thinking_blocks":[%b]' % dumps({"index": number, **thinking_block(thought)})

    def _finish(self, event: Finished) -> bytes:
        begin = self._unproven(event.choice)
        if event.choice not in self._begun:
            begin = self._delta(event.choice, b"")
        reason = FINISH_REASONS[event.finish].encode()
        stop = b',"stop_reason":' + orjson.dumps(event.stop) if event.stop else b""
        last = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"%b}]' % (event.choice, reason, stop)
        return begin + self._head + last + self._end


def without_usage(event: bytes) -> bytes | None:
    """A chunk as a client gets it that did not ask for the usage; None for the chunk that holds nothing else.

    `event` is what was read as JSON already.
    """
    at = event.rfind(_NO_USAGE)
    if at >= 0 and _TEXTS_AND_END.fullmatch(event, at + len(_NO_USAGE)):  # of the outermost object, as it ends there
        return event[:at] + event[at + len(_NO_USAGE) :]
    try:
        chunk = orjson.loads(event)
    except orjson.JSONDecodeError:
        return event  # whoever reads the stream tells; what it is goes on as it came
    if type(chunk) is not dict or "usage" not in chunk:
        return event
    if chunk.pop("usage") is not None and chunk.get("choices") == []:
        return None
    return orjson.dumps(chunk)
