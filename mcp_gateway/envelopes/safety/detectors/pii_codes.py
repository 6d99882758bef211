"""Personal codes that hold letters: accounts and national identifiers. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from mcp_gateway.envelopes.safety.detectors import pii_checks as checks
from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.text.regex import Pattern

CODES: Final = Pattern(
    rf"(\b(?i:{'|'.join(checks.IBAN_COUNTRIES)})[0-9]{{2}}[ \-]?[A-Za-z0-9]{{4}})"
    r"|(\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[A-D]\b)"
    r"|(\b(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[A-HJ-NP-TV-Z]\b)"
    r"|(\b[A-Za-z]{6}[0-9LMNP-V]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNP-V]{2}[A-Za-z][0-9LMNP-V]{3}[A-Za-z]\b)"
    r"|(\b[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?2[ABab][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}\b)"
)
_IBAN: Final = 1
_LETTERS_AND_DIGITS: Final = re.compile(r"[A-Za-z0-9]+")


def _nino(code: str) -> bool:
    return code[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


_VALID: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("uk_nino", _nino),
    ("es_dni", checks.dni),
    ("it_codice_fiscale", checks.codice_fiscale),
    ("fr_nir", checks.nir),
)
"""What the other groups of the expression are."""


def codes(text: str) -> Iterator[Finding]:
    """The codes of `text` whose check characters hold."""
    for number, start, end in CODES.groups(text):
        if number == _IBAN:
            if (last := _account(text, start)) > 0:
                yield Finding("iban", start, last)
            continue
        kind, valid = _VALID[number - 2]
        if valid(text[start:end].replace(" ", "").replace("-", "")):
            yield Finding(kind, start, end)


def _account(text: str, start: int) -> int:
    """Where the IBAN that begins at `start` ends, or 0: as many letters and digits as its country says."""
    missing = checks.iban_length(text[start : start + 2])
    if not missing:
        return 0
    pieces: list[str] = []
    place = start
    while missing:
        match = _LETTERS_AND_DIGITS.match(text, place)
        if match is None:
            return 0
        piece = match[0]
        if len(piece) > missing:
            return 0
        pieces.append(piece)
        missing -= len(piece)
        place = match.end()
        if missing and text[place : place + 1] in (" ", "-"):
            place += 1
    after = text[place : place + 1]
    return place if after != "_" and checks.iban("".join(pieces)) else 0
