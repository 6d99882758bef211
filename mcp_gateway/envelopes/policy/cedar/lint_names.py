"""Names that look like other names. The engine compares them by their code points and warns of none."""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_ALIKE: Final = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
"""Scripts with letters that look the same in most fonts."""

_LATIN_LIKE: Final = frozenset("аеорсухіјѕԁԛԝһӏɡοναρυικτχЅІЈАВЕЅКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
"""Letters of the others that are taken for Latin ones even where a whole name is made of them."""


def suspect(name: str) -> str | None:
    """Why `name` may not be the name that it looks like, in words that follow it; None where it is plain."""
    if name.isascii() and name.isprintable():
        return None
    for char in name:
        if unicodedata.category(char) in _UNSEEN:
            return f"holds a character that is not seen (U+{ord(char):04X})"
    if unicodedata.normalize("NFKC", name) != name:
        return "holds characters that only look like others: it is not normalized (NFKC)"
    letters = [char for char in name if char.isalpha()]
    scripts = {_script(char) for char in letters} & set(_ALIKE)
    if len(scripts) > 1:
        return f"mixes letters of scripts that look alike ({', '.join(sorted(scripts)).lower()})"
    if letters and all(char in _LATIN_LIKE for char in letters):
        return "is not written in the Latin letters that it looks like"
    return None


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
