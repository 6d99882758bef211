"""What is written inside a text in another alphabet: base64, hex, URL and JSON escapes, HTML entities. Pure.

A layer is the whole text with all escapes in it read, or with all runs of base64 and hex in it decoded that decode to
text. It is never longer than what it was made from, so the layers of one text are bounded together.
"""

from __future__ import annotations

import binascii
import html
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from mcp_gateway.envelopes.safety.finding import Rest, no_rest
from mcp_gateway.envelopes.safety.text.normalise import normalised
from mcp_gateway.envelopes.safety.text.regex import Pattern
from mcp_gateway.envelopes.safety.text.view import View, Writer

DEPTH: Final = 3
"""Rounds of escapes and runs: base64 in base64 in base64 is found, a fourth is not."""

TIMES: Final = 6
MOST: Final = 1 << 20
"""Characters in all layers of one text together: so many times the text, and never more than these."""

_ESCAPED: Final = Pattern(
    r"(?:%[0-9A-Fa-f]{2})+"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    r"|(?:\\u[0-9a-fA-F]{4})+|(?:\\x[0-9a-fA-F]{2})+|\\/"
)
_PADDING: Final = ("", "", "==", "=")
"""By how many characters of base64 are left over after whole groups."""

_RUN: Final = Pattern(r"[A-Za-z0-9+/_\-]{12,}")
"""12 characters of base64 are 9 bytes: less holds nothing that a detector knows."""

_LONG_RUN: Final = 24
_LEAST_GROUPS: Final = 3
_MOST_GROUPS: Final = 5
"""As the first of a group of four, `+-/_` begin a byte that UTF-8 does not have: a shorter run with one is a name or
date, or goes on after as many groups as are whole."""

_Piece = tuple[str, int, int]
"""What stands for a part of a text, and where that part begins and ends."""

_Read = Callable[[str, int, int], Iterable[_Piece]]

_UUID: Final = 36
_GOES_ON: Final = frozenset("+-/_")

_STARTS: Final = frozenset({": ", "]\n"})
"""What stands before the beginning of a text that is looked through with its key, or together with others."""

_SHORT: Final = (("\\n", " \n"), ("\\r", " \r"), ("\\t", " \t"), ("\\b", "  "), ("\\f", "  "), ('\\"', ' "'))
"""Escapes that become as many characters, so that every place stays where it is. The blank is no part of any match."""

_PRINTABLE: Final = bytes(range(0x20, 0x7F)) + b"\t\n\r"
_HEX: Final = frozenset("0123456789abcdefABCDEF")

_UTF8: Final = re.compile(
    rb"(?:[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2})*+"
)
"""What of some bytes is UTF-8 (RFC 3629). Most runs are no text: an exception for each would cost more than this."""


def decode(view: View, rest: Rest = no_rest) -> Iterator[View]:
    """The layers of the text beneath `view`, outermost first; each one normalised. Nothing for most texts.

    A run that is decoded may be a part of something that its escapes still hide, as the middle of a token is. So from
    the first decoded run on, the text in which nothing is decoded is read on beside the other.
    """
    left = min(MOST, TIMES * len(view.text))
    straight: View | None = None
    for _ in range(DEPTH):
        before, beside = view, straight
        for read in (_unescaped, _decoded):
            layer = read(view, rest)
            if layer is None:
                continue
            left -= len(layer.text)
            if left < 0:
                return
            rest()
            if read is _decoded and straight is None:
                straight = view
            view = normalised(layer)
            yield view
        if beside is not None and (layer := _unescaped(beside, rest)) is not None:
            left -= len(layer.text)
            if left < 0:
                return
            straight = normalised(layer)
            yield straight
        if view is before and straight is beside:
            return


def _unescaped(view: View, rest: Rest) -> View | None:
    same_places = view
    if "\\" in view.text:
        same_places = View(_shortened(view.text), view.at, view.of, view.size, view.base)
    elif "%" not in view.text and "&" not in view.text:
        return None
    unescaped = _rewritten(same_places, _ESCAPED.spans(same_places.text), _characters, rest)
    return unescaped or (None if same_places.text == view.text else same_places)


def _decoded(view: View, rest: Rest) -> View | None:
    return _rewritten(view, runs(view.text), _run, rest)


def runs(text: str) -> Iterator[tuple[int, int]]:
    """Where runs are that may be base64 or hex, each with what pads it.

    Each stands between characters that are in none: padding belongs to the run before it, and is no such character.
    """
    last = -1
    for start, stop in _RUN.spans(text):
        if start == last:
            continue
        end = stop if stop - start >= _LONG_RUN else _groups(text, start, stop)
        if end == stop:
            end += 2 if text.startswith("==", stop) else text.startswith("=", stop)
        if end:
            last = end
            yield start, end


def _groups(text: str, start: int, stop: int) -> int:
    """Where the groups end that a short run begins with, and what is left of it or of the next group; 0 if too few."""
    whole = 0
    while whole < _MOST_GROUPS and start + 4 <= stop and text[start] not in _GOES_ON:
        whole += 1
        start += 4
    return min(stop, start + 3) if whole >= _LEAST_GROUPS else 0


def _rewritten(view: View, spans: Iterable[tuple[int, int]], read: _Read, rest: Rest) -> View | None:
    writer: Writer | None = None
    for start, end in spans:
        rest()
        for piece, first, last in read(view.text, start, end):
            writer = writer or Writer(view)
            writer.put(piece, first, last)
    return None if writer is None else writer.view()


def _shortened(text: str) -> str:
    # An escaped backslash escapes nothing: it is put aside before the others are read, from left to right.
    text = text.replace("\\\\", "\0\0")
    for escape, same_length in _SHORT:
        text = text.replace(escape, same_length)
    return text.replace("\0\0", " \\")


def _characters(text: str, start: int, end: int) -> Iterable[_Piece]:
    escapes = text[start:end]
    if escapes[0] == "%":
        return _bytes(bytes.fromhex(escapes.replace("%", "")), start, 3)
    if escapes[0] == "&":
        piece = html.unescape(escapes)
        return ((piece, start, end),) if piece != escapes else ()
    if escapes[1] == "u":
        return _units(escapes, start)
    if escapes[1] == "x":
        return _bytes(bytes.fromhex(escapes.replace("\\x", "")), start, 4)
    return (("/", start, end),)


def _run(text: str, start: int, end: int) -> Iterable[_Piece]:
    run = text[start:end]
    if (end - start == _UUID and run[8] == "-") or text[end : end + 1] in _GOES_ON:
        return ()
    # Words have no capitals but the first; encoded text has.
    decoded = _hex(run) or (
        None if run[1:].islower() else _base64(run, start == 0 or text[start - 2 : start] in _STARTS)
    )
    return ((decoded, start, end),) if decoded else ()


def _bytes(raw: bytes, start: int, each: int) -> Iterator[_Piece]:
    """The characters of UTF-8 whose bytes were written with `each` characters; a byte that is none is one."""
    for character in raw.decode(errors="surrogateescape"):
        size = each * len(character.encode(errors="surrogateescape"))
        yield _shown(character), start, start + size
        start += size


def _units(run: str, start: int) -> Iterator[_Piece]:
    units = bytes.fromhex(run.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
    for character in units:
        size = 12 if ord(character) > 0xFFFF else 6
        yield _shown(character), start, start + size
        start += size


def _shown(character: str) -> str:
    # Half of a pair is no character, and cannot be encoded.
    return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= ord(character) < 0xE000 else character


def _hex(run: str) -> str | None:
    if len(run) % 2 or run[0] not in _HEX or run[7] not in _HEX or run[-1] not in _HEX:
        return None
    try:
        return _textual(bytes.fromhex(run))
    except ValueError:
        return None


def _base64(run: str, cut: bool) -> str | None:
    """The text in `run`. If its beginning was `cut` off, every fourth place may be the first of a group."""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    size = len(body)
    for shift in range(4 if cut else 1):
        over = (size - shift) % 4
        # One character of a group is no byte.
        group = body[shift : size - 1] if over == 1 else body[shift:] + _PADDING[over]
        if (piece := _textual(binascii.a2b_base64(group))) is not None:
            return piece
    return None


def _textual(raw: bytes) -> str | None:
    """The text that `raw` is, if it is one and not the bytes of something else."""
    if raw.isascii():
        return raw.decode()
    size = len(raw)
    if len(raw.translate(None, _PRINTABLE)) * 5 <= size:
        return raw.decode(errors="replace")
    match = _UTF8.match(raw)
    whole = 0 if match is None else match.end()
    # A character may be cut at the end.
    return raw[:whole].decode() if whole == size or 8 < size - 3 <= whole else None
