"""Personal data: addresses, accounts, cards, and the numbers by which states know their people.

Each is known by its form and, where it has one, by its check digits; what looks like too many other things only by the
words before it. Names of persons and numbers of passports have neither: they are not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_gateway.envelopes.safety.detectors.pii_addresses import addresses, emails
from mcp_gateway.envelopes.safety.detectors.pii_codes import CODES, codes
from mcp_gateway.envelopes.safety.detectors.pii_context import SAID, Said
from mcp_gateway.envelopes.safety.detectors.pii_numbers import PLAIN, numbers
from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.text.regex import Gate, Pattern

CATEGORIES: Final = (
    "email",
    "phone",
    "credit_card",
    "iban",
    "us_ssn",
    "uk_nino",
    "uk_nhs",
    "de_steuer_id",
    "fr_nir",
    "es_dni",
    "it_codice_fiscale",
    "pl_pesel",
    "nl_bsn",
    "br_cpf",
    "in_aadhaar",
    "ca_sin",
    "date_of_birth",
    "ip_address",
)
"""The kinds of findings, as the configuration names them."""

_OFF: Final = frozenset({"ip_address"})
"""What is looked for only where the configuration names it: machines have such addresses, too."""

_LONGEST: Final = 384
"""The longest match, an e-mail address of 64 + 1 + 253 characters, with the words before a number."""

_CODE_KINDS: Final = frozenset({"iban", "uk_nino", "es_dni", "it_codice_fiscale"})
_NUMBERS: Final = frozenset(CATEGORIES).difference(_CODE_KINDS, ("email", "date_of_birth", "ip_address"))
_CODES: Final = _CODE_KINDS.union(("fr_nir",))

_DIGITS: Final = Pattern(r"[0-9][0-9 ().\-/]{0,3}[0-9]")
_GATE: Final = Gate((SAID, PLAIN, CODES))
"""What most texts have nothing of, looked for in one pass."""

_SAID: Final = 0
_PLAIN: Final = 1
_CODE: Final = 2
"""The numbers of these in the gate."""

_DATE: Final = Pattern(
    r"\b(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}"
    r"|[0-9]{1,2}[-/. ]{1,2}(?:[0-9]{1,2}|[A-Za-z]{3,9})[-/., ]{1,2}[0-9]{2,4}"
    r"|[A-Z][a-z]{2,8} [0-9]{1,2},? [0-9]{4})\b"
)


@dataclass(frozen=True, slots=True)
class Pii:
    """Finds the `categories` of personal data."""

    categories: frozenset[str] = frozenset(CATEGORIES) - _OFF
    context: bool = True
    """Whether a number that looks like many others is one only after a word that says so (`ssn: 123456789`)."""

    @property
    def name(self) -> str:
        return "pii"

    @property
    def longest(self) -> int:
        return _LONGEST

    @property
    def joins(self) -> bool:
        """Texts that stand together, lines between, are found in as each by itself; a key says more."""
        return True

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Pii:
        """Reads `categories` (names, or `*` for all; left out, all but `ip_address`) and `context`.

        Raises `ValueError` for other members and other values.
        """
        options = Options(config)
        named = options.words("categories", ("*", *CATEGORIES), default=[one for one in CATEGORIES if one not in _OFF])
        context = options.flag("context", default=True)
        options.finish()
        if not named:
            raise ValueError("`categories` is empty")
        return cls(frozenset(CATEGORIES if "*" in named else named), context)

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """The personal data in `text`."""
        found: list[Finding] = []
        if "@" in text and "email" in self.categories:
            found += paced(emails(text), rest)
        if not _DIGITS.within(text):
            return found
        rest()
        shown = _GATE.matching(text)
        said = Said.of(text, rest) if _SAID in shown else Said(text, (), ())
        if not self.categories.isdisjoint(_NUMBERS):
            found += numbers(text, said, rest, plain=_PLAIN in shown, lenient=not self.context)
        if _CODE in shown and not self.categories.isdisjoint(_CODES):
            found += paced(codes(text), rest)
        if "date_of_birth" in self.categories:
            found += paced(_births(text, said), rest)
        if "ip_address" in self.categories:
            found += paced(addresses(text), rest)
        return [one for one in found if one.kind in self.categories]


def _births(text: str, said: Said) -> Iterator[Finding]:
    if any(word.kind == "date_of_birth" for word in said.words):
        for start, end in _DATE.spans(text):
            if said.says("date_of_birth", start):
                yield Finding("date_of_birth", start, end)
