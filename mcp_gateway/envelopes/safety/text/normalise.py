"""A text as a reader sees it: compatibility forms (NFKC), marks, invisible characters and look-alikes folded. Pure.

Each character is folded by itself, so that a text folds the same however it is cut. What is folded is read and never
sent: it does not have to be good spelling, only the same for all spellings that look the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.safety.text.confusables import CONFUSABLES
from mcp_gateway.envelopes.safety.text.view import View, alternating

_BLOCKS: Final = (
    (0x80, 0x3400),
    (0xA600, 0xAC00),
    (0xFB00, 0x10000),
    (0x104A0, 0x104AA),
    (0x10780, 0x107C0),
    (0x10D30, 0x10D3A),
    (0x11066, 0x11E00),
    (0x13430, 0x13440),
    (0x16A60, 0x16B60),
    (0x1BCA0, 0x1BCA4),
    (0x1D100, 0x1D800),
    (0x1E030, 0x1E070),
    (0x1E140, 0x1E14A),
    (0x1E2F0, 0x1E2FA),
    (0x1E950, 0x1E95A),
    (0x1EE00, 0x1F300),
    (0x1FBF0, 0x1FBFA),
    (0xE0000, 0xE0080),
    (0xE0100, 0xE01F0),
)
"""Where characters are that fold. Ideographs and Hangul syllables do not (their compatibility forms look different)."""

_MARKS: Final = ((0x300, 0x370), (0x483, 0x48A), (0x1AB0, 0x1B00), (0x1DC0, 0x1E00), (0x20D0, 0x2100), (0xFE20, 0xFE30))
"""Combining marks that decorate Latin, Greek and Cyrillic letters, digits and symbols."""

_INVISIBLE: Final = frozenset({0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0})
"""Characters that show nothing although they are not format characters (category Cf): joiner, fillers."""

_SELECTORS: Final = ((0x180B, 0x1810), (0xFE00, 0xFE10), (0xE0100, 0xE01F0))
_BLANK: Final = 0x2800
"""The Braille pattern without dots."""


_FOLDING: Final = frozenset({"Cf", "Mn", "Me", "Nd", "Zs", "Cn"})
"""Categories in which characters may fold although they are made of nothing else."""


def _in(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(start <= code < end for start, end in ranges)


def _vanishes(code: int) -> bool:
    marks = code in _INVISIBLE or _in(code, _MARKS) or _in(code, _SELECTORS)
    return marks or unicodedata.category(chr(code)) == "Cf" or 0xE0000 <= code < 0xE0080


def _fold(character: str) -> str:
    code = ord(character)
    if (alike := CONFUSABLES.get(character)) is not None:
        return alike
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    if _vanishes(code):
        return ""
    if code == _BLANK or unicodedata.category(character) == "Zs":
        return " "
    parts = unicodedata.normalize("NFKD", character)
    if parts == character:
        return character
    kept = "".join(CONFUSABLES.get(part, part) for part in parts if not _vanishes(ord(part)))
    return unicodedata.normalize("NFC", kept)


def _folds() -> Mapping[str, str]:
    codes = chain.from_iterable(range(start, end) for start, end in _BLOCKS)
    folds = ((character, _fold(character)) for character in map(chr, codes) if _may_fold(character))
    return MappingProxyType({character: folded for character, folded in folds if folded != character})


def _may_fold(character: str) -> bool:
    # Most do not, and the table is made at every start.
    if unicodedata.decomposition(character) or unicodedata.category(character) in _FOLDING:
        return True
    return character in CONFUSABLES or ord(character) in _INVISIBLE or ord(character) == _BLANK


def _class(folded: Iterable[str]) -> str:
    """An expression for one of these characters: in ranges, of which there are few beyond the basic plane."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, folded)):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]"


_FOLDS: Final = _folds()
_SAME_LENGTH: Final = {given: to for given, to in _FOLDS.items() if len(to) == 1}.get
_LONGER: Final = {given: to for given, to in _FOLDS.items() if len(to) > 1}.get
_RESIZED: Final = frozenset(given for given, to in _FOLDS.items() if len(to) != 1)
_APART: Final = re.compile(
    f"({_class(given for given, to in _FOLDS.items() if not to)}+"
    f"|{_class(given for given, to in _FOLDS.items() if len(to) > 1)})"
)
"""Characters that vanish, as many as there are together, or one that becomes several."""


def normalise(text: str) -> View:
    """`text` as a reader sees it. A text in ASCII is returned as it is, at no cost."""
    if text.isascii():
        return View(text)
    return normalised(View(text))


def normalised(view: View) -> View:
    """The same of a view: the way back goes on to what it is a view of."""
    text = view.text
    if text.isascii():
        return view
    text = "".join(map(_SAME_LENGTH, text, text))
    same_places = View(text, view.at, view.of, view.size, view.base)
    if _RESIZED.isdisjoint(text):
        return same_places
    parts = _APART.split(text)
    return alternating(same_places, parts, [_LONGER(part, "") for part in parts[1::2]])
