"""Words that say what the number after them is. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.text.regex import Pattern

REACH: Final = 32
"""Characters between such a word and the number, at most."""

_WORDS: Final = (
    (
        "phone",
        r"tel|telephone|telefono|teléfono|telefon|telefonnummer|fon|(?:cell|mobile|tele)?[ _\-]?phone|mobile|mobil|cell"
        r"|handy|call|fax|whatsapp|sms|gsm",
    ),
    ("us_ssn", r"ssn|social[ _\-]?security"),
    ("uk_nhs", r"nhs"),
    ("pl_pesel", r"pesel"),
    ("nl_bsn", r"bsn|burgerservicenummer|sofinummer"),
    ("br_cpf", r"cpf"),
    ("in_aadhaar", r"aadhaar|aadhar|uidai"),
    ("ca_sin", r"sin|social[ _\-]?insurance"),
    ("de_steuer_id", r"steuer[ _\-]?id(?:entifikationsnummer)?|idnr|tin|tax[ _\-]?id"),
    (
        "date_of_birth",
        r"d\.?o\.?b|date[ _\-]?of[ _\-]?birth|birth[ _\-]?date|birthday|born|geboren|geburtsdatum|née? le"
        r"|date de naissance|fecha de nacimiento|data di nascita|geboortedatum|data urodzenia|nascimento",
    ),
)
# A word in brackets (`[PHONE]`) stands for what was taken out, and says nothing of what follows.
_SAYING: Final = r"(?:^|[^\[A-Za-z])(?:{})(?:[ _\-]?(?:number|no|nr))?(?:$|[^a-z\]])"
_KINDS: Final = Pattern(_SAYING.format("|".join(f"({words})" for _, words in _WORDS)), ignore_case=True)
SAID: Final = Pattern(_SAYING.format("|".join(words for _, words in _WORDS)), ignore_case=True)
"""Words that say something, with and without telling what: the groups that tell cost as much as finding them does."""

_DIGIT: Final = re.compile("[0-9]")
_TO_DIGIT: Final = REACH + 12
"""Characters from such a word to the first digit of what begins within its reach: a month may stand before that."""

_BREAKS: Final = frozenset("[]\n")
_NEAR: Final = 16
"""Words that fit within the reach."""


@dataclass(frozen=True, slots=True)
class Said:
    """Where in a text such words end, and of what kind each is."""

    text: str
    words: tuple[Finding, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, text: str, rest: Rest = no_rest) -> Said:
        """The words of `text`; none, if no digit is near any of them: then they say nothing."""
        # What ends a word is matched with it, and may be the digit.
        if not any(_DIGIT.search(text, end - 1, end + _TO_DIGIT) for _, end in paced(SAID.spans(text), rest)):
            return cls(text, (), ())
        found = paced(_KINDS.groups(text), rest)
        words = tuple(Finding(_WORDS[number - 1][0], start, end) for number, start, end in found)
        return cls(text, words, tuple(word.end for word in words))

    def says(self, kind: str, start: int) -> bool:
        """Whether a word before `start`, with no bracket and no line between, says that `kind` begins there."""
        after = bisect_right(self.ends, start)
        for word in reversed(self.words[max(0, after - _NEAR) : after]):
            if start - word.end > REACH:
                return False
            if word.kind == kind and _BREAKS.isdisjoint(self.text[word.end : start]):
                return True
        return False
