"""Events of a stream that are like the one before but for their text: nearly all of a long answer. Pure.

Such an event need not be read: with the same bytes before and after a text that holds no escape, it is the same JSON,
as strict as the other was, and says the same. What an event is like is learned from one that was read. OpenAI pads
each event with letters of no meaning, which may differ as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_proxy.completion.answer import Event, TextPiece
from mcp_gateway.core.sse import SseEvent

LONGEST: Final = 4096
"""Bytes of text beyond which an event is read: limits on strings hold there."""

IN_VAIN: Final = 16
"""After so many events in a row that were like none before, a provider is taken for one whose events never are."""

_ESCAPE: Final = b"\\"
_QUOTE: Final = b'"'
_KEYS: Final = (b'"content":', b'"text":', b'"delta":')
_PADDING: Final = b',"obfuscation":"'
_END: Final = b'"}'


class Alike:
    """What the last event was like. `before` and `after` stand around its text, `left_…` in what left for it.

    Nothing is alike until something was learned; each event that is read says what the next ones may be like.
    """

    __slots__ = (
        "_after", "_before", "_choice", "_event", "_known", "_left_after", "_left_before", "_lesson", "_padded",
        "_vain",
    )  # fmt: skip

    def __init__(self) -> None:
        self._known = self._padded = False
        self._event = self._before = self._after = self._left_before = self._left_after = b""
        self._choice = self._vain = 0
        self._lesson: tuple[SseEvent, Sequence[Event], bytes] | None = None

    def learn(self, event: SseEvent, events: Sequence[Event], left: bytes = b"") -> None:
        """`event` said `events`, and was passed on as `left`; empty where events are written anew.

        Looked at when the next one comes: `left` need not wait for it.
        """
        self._lesson = event, events, left

    def _learn(self, event: SseEvent, events: Sequence[Event], left: bytes) -> None:
        self._known = False
        if len(events) != 1 or type(said := events[0]) is not TextPiece or self._vain > IN_VAIN:
            return
        self._vain += 1
        text = b'"%b"' % said.text.encode("utf-8", "surrogatepass")
        data = event.data
        if _ESCAPE in data or not said.text.isprintable() or data.count(text) != 1 or (left and left.count(text) != 1):
            return
        before, _, after = data.partition(text)
        left_before, _, left_after = left.partition(text)
        if not before.endswith(_KEYS):
            return
        self._padded = _PADDING in after
        if self._padded:
            after, padding = _cut(after)
            left_after, left_padding = _cut(left_after)
            if not padding.endswith(_END) or not padding[:-2].isalnum() or (left and not left_padding):
                return
        self._event, self._choice = event.event, said.choice
        self._before, self._after = before + _QUOTE, _QUOTE + after
        self._left_before, self._left_after = (left_before + _QUOTE, _QUOTE + left_after) if left else (b"", b"")
        self._known = True

    def read(self, event: SseEvent) -> tuple[TextPiece, bytes, int] | None:
        """What an event says that is like the last one, how it is passed on, and the bytes of its text.

        None for all others: they have to be read.
        """
        if self._lesson is not None:
            self._learn(*self._lesson)
            self._lesson = None
        data = event.data
        if not self._known or event.event != self._event or not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(_QUOTE, start)
        size = end - start
        if not 0 < size <= LONGEST:
            return None
        rest = data[end:]
        padding = b""
        if self._padded:
            padding = rest[len(self._after) :]
            if not padding.endswith(_END) or not padding[:-2].isalnum() or not rest.startswith(self._after):
                return None
        elif rest != self._after:
            return None
        raw = data[start:end]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        if _ESCAPE in raw or not text.isprintable():  # no JSON string holds control characters as they are
            return None
        self._vain = 0
        if not self._left_before:
            return TextPiece(self._choice, text), b"", size
        left = b"%b%b%b%b" % (self._left_before, raw, self._left_after, padding + b"\n\n" if padding else b"")
        return TextPiece(self._choice, text), left, size


def _cut(after: bytes) -> tuple[bytes, bytes]:
    """What comes up to the padding, and the padding with the end."""
    head, key, padding = after.rpartition(_PADDING)
    return head + key, padding
