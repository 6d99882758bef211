"""From bytes, and from pieces of JSON strings, to text: what is cut is held back until the rest arrives. Sans-IO.

Before a window stands one of these, so that a window sees whole characters however the wire cut them.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SHORT: Final = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True)).get
_LONGEST: Final = 12
"""Characters of an escaped pair of surrogates, of which no more than all but one are held back."""

_UNFINISHED: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_HALF: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")


class Utf8:
    """Bytes come in, text goes out; bytes that are no UTF-8 become U+FFFD, however they are cut."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The characters that are whole by now; at most three bytes are held back."""
        return self._decoder.decode(data)

    def end(self) -> str:
        """What stands for the bytes held back."""
        return self._decoder.decode(b"", final=True)


class JsonString:
    """The inside of a JSON string (RFC 8259 §7) comes in, in pieces; what it says goes out.

    Raises `ValueError` for an escape that JSON does not have. Half of a pair of surrogates becomes U+FFFD.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """What is whole by now; at most eleven characters are held back."""
        text = self._held + text
        cut = _whole(text)
        self._held = text[cut:]
        return _said(text[:cut])

    def end(self) -> str:
        """What stands for the rest. Raises `ValueError` within an escape."""
        text, self._held = self._held, ""
        return _said(text)


def _whole(text: str) -> int:
    """Where the escape begins that is not whole at the end of `text`, or that the next may make a pair with."""
    start = max(0, len(text) - _LONGEST)
    # Of backslashes at the beginning of the tail, every second is escaped.
    before = len(text[:start]) - len(text[:start].rstrip("\\"))
    place = start - before % 2
    while (at := text.find("\\", place)) >= 0:
        if _UNFINISHED.match(text, at) or _HALF.match(text, at):
            return at
        place = at + 2
    return len(text)


def _said(text: str) -> str:
    if "\\" not in text:
        return text
    pieces: list[str] = []
    place = 0
    while (at := text.find("\\", place)) >= 0:
        match = _ESCAPE.match(text, at)
        if match is None:
            raise ValueError("an escape that JSON does not have")
        pieces += [text[place:at], chr(int(match[1], 16)) if match[1] else _SHORT(match[2], "")]
        place = match.end()
    pieces.append(text[place:])
    # Two halves that stand together are one character.
    return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
