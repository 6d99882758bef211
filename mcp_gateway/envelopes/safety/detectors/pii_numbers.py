"""Personal numbers that are written in digits, in groups or at one stretch. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.safety.detectors import pii_checks as checks
from mcp_gateway.envelopes.safety.detectors.pii_context import REACH, Said
from mcp_gateway.envelopes.safety.finding import Finding, Rest, paced
from mcp_gateway.envelopes.safety.text.regex import Pattern

_ANY: Final = Pattern(r"[0-9](?:[ ().\-/]{0,3}[0-9]){6,}")
"""Seven digits or more with at most three characters between two of them."""

PLAIN: Final = Pattern(
    r"\+[ (]{0,2}[1-9](?:[ ().\-/]{0,3}[0-9]){6}"
    r"|\b(?:[0-9]{13,19}"
    r"|[0-9]{4}[ .\-][0-9]{4}[ .\-][0-9]{4}"
    r"|[0-9]{4}[ .\-][0-9]{6}[ .\-][0-9]{4}"
    r"|[0-9]{5,6}[ .\-][0-9]{5,6}[ .\-][0-9]{1,6}"
    r"|[0-9]{3}[ \-][0-9]{2}[ \-][0-9]{4}"
    r"|[0-9]{3}[ ().\-]{1,3}[0-9]{3}[ .\-]{1,2}[0-9]{4}"
    r"|[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3}"
    r"|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"
    r"|0[0-9]{2,4} [0-9]{3,6}"
    r"|[0-9]{1,3}(?:[ .\-][0-9]{1,3}){4})"
)
"""What is a personal number by its form alone, or its first digits."""

_AROUND: Final = "0123456789 ().-/+"
_AREA: Final = 64
"""Characters before and after such a form in which more digits of it stand."""

_DIGIT: Final = re.compile("[0-9]")
_GROUP: Final = re.compile(r"([0-9]+)")
_CARD: Final = range(13, 20)
_PHONE: Final = range(7, 16)


@dataclass(frozen=True, slots=True)
class _Number:
    """One way to write a number: the lengths of its groups, what may stand between them, and what holds of it."""

    kind: str
    sizes: tuple[int, ...]
    between: str
    valid: Callable[[str], bool]
    context: bool = False
    """Whether words must say what it is, because too many other numbers look like it."""


def _phone(prefix: str) -> Callable[[str], bool]:
    return lambda digits: re.match(prefix, digits) is not None


_US: Final = _phone(r"[2-9][0-8]\d[2-9]\d\d")

_WAYS: Final = (
    _Number("us_ssn", (3, 2, 4), "- ", checks.ssn),
    _Number("us_ssn", (9,), "", checks.ssn, context=True),
    _Number("uk_nhs", (3, 3, 4), " ", checks.nhs),
    _Number("uk_nhs", (3, 3, 4), "-", checks.nhs, context=True),
    _Number("uk_nhs", (10,), "", checks.nhs, context=True),
    _Number("de_steuer_id", (2, 3, 3, 3), " ", checks.steuer_id),
    _Number("de_steuer_id", (11,), "", checks.steuer_id, context=True),
    _Number("pl_pesel", (11,), "", checks.pesel, context=True),
    _Number("nl_bsn", (9,), "", checks.bsn, context=True),
    _Number("nl_bsn", (4, 2, 3), " .", checks.bsn, context=True),
    _Number("br_cpf", (3, 3, 3, 2), ".-", checks.cpf),
    _Number("br_cpf", (11,), "", checks.cpf, context=True),
    _Number("in_aadhaar", (4, 4, 4), " -", checks.aadhaar),
    _Number("in_aadhaar", (12,), "", checks.aadhaar, context=True),
    _Number("ca_sin", (3, 3, 3), " -", checks.sin, context=True),
    _Number("ca_sin", (9,), "", checks.sin, context=True),
    _Number("fr_nir", (15,), "", checks.nir),
    _Number("fr_nir", (1, 2, 2, 2, 3, 3, 2), " ", checks.nir),
    _Number("fr_nir", (13, 2), " ", checks.nir),
    _Number("phone", (3, 3, 4), "-. ()", _US),
    _Number("phone", (1, 3, 3, 4), "-. ()", _phone(r"1[2-9][0-8]\d[2-9]\d\d")),
    _Number("phone", (2, 2, 2, 2, 2), " .-", _phone(r"0[1-9]")),
    _Number("phone", (3, 4, 4), " ", _phone(r"02\d[378]")),
    _Number("phone", (5, 6), " ", _phone(r"0(?:1\d|7[1-57-9])")),
    _Number("phone", (5, 3, 3), " ", _phone(r"0(?:1\d|7[1-57-9])")),
    _Number("phone", (4, 3, 4), " ", _phone(r"01[1-9]1|011[3-8]|0800|0808")),
)


def _by_sizes() -> Mapping[tuple[int, ...], tuple[_Number, ...]]:
    return MappingProxyType({one.sizes: tuple(way for way in _WAYS if way.sizes == one.sizes) for one in _WAYS})


_BY_SIZES: Final = _by_sizes()
_MIXED: Final = frozenset({"phone", "br_cpf"})
"""Kinds with different characters between their groups."""


def _by_first_size() -> Mapping[int, tuple[int, ...]]:
    firsts = {way.sizes[0] for way in _WAYS}
    return MappingProxyType(
        {first: tuple(sorted({len(way.sizes) for way in _WAYS if way.sizes[0] == first})) for first in firsts}
    )


_LENGTHS: Final = _by_first_size()
"""The size of the first group → how many groups there may be."""

_SHAPES: Final = re.compile(b"(?=" + b"|".join(re.escape(bytes(sizes)) for sizes in _BY_SIZES) + b")")
"""Where in the sizes of the groups of a run, as bytes, one of the ways may begin."""

_CARD_GROUPS: Final = frozenset({(4, 6, 5), (4, 6, 4)})
_CARD_BEGINS: Final = frozenset({(size, size) for size in range(3, 7)} | {(4, 6)})
"""The sizes of the first two groups of a card's number that is written in three or more."""

_PLAIN_SIZES: Final = frozenset(way.sizes[0] for way in _WAYS if len(way.sizes) == 1 and not way.context)
"""What digits at one stretch may be for which no word is needed, besides cards."""


class _Run:
    """Digits that stand together: the spans of their groups, and what is asked of them time and again."""

    __slots__ = ("_ends", "_gaps", "_groups", "_starts", "_sums", "all", "at", "lenient", "said", "sizes", "text")

    def __init__(self, text: str, start: int, parts: Sequence[str], said: Said, lenient: bool) -> None:
        """`parts` are what stands from `start` on in `text`: before the first group, the group, between, and so on."""
        groups = parts[1::2]
        bounds = list(accumulate(map(len, parts), initial=start))
        self.text = text
        self._starts = bounds[1:-1:2]
        self._ends = bounds[2::2]
        self.said = said
        self.lenient = lenient
        self.sizes = tuple(map(len, groups))
        self.all = "".join(groups)
        self._gaps = parts[2::2]
        # How many digits stand before each group.
        self.at = list(accumulate(self.sizes, initial=0))
        # The group before which so many digits stand, and sums over digits: where they are asked for.
        self._groups: Mapping[int, int] | None = None
        self._sums: dict[int, Sequence[int]] = {}

    def start(self, group: int) -> int:
        """Where a group begins in the text."""
        return self._starts[group]

    def end(self, group: int) -> int:
        """Where it ends."""
        return self._ends[group]

    def digits(self, first: int, last: int) -> str:
        return self.all[self.at[first] : self.at[last]]

    def between(self, first: int, last: int) -> set[str]:
        """The different characters between the groups from `first` to before `last`."""
        return set("".join(self._gaps[first : last - 1]))

    def cards(self, first: int) -> Iterator[int]:
        """The groups before which numbers end that begin with the group `first` and are as long as cards' are."""
        start = self.at[first]
        lengths = checks.CARD_LENGTHS.get(self.all[start : start + 4])
        if lengths is None or start + lengths[0] > self.at[-1]:
            return
        if self._groups is None:
            self._groups = {at: group for group, at in enumerate(self.at)}
        for length in lengths:
            last = self._groups.get(start + length)
            if last is not None:
                yield last

    def checked(self, first: int, last: int) -> bool:
        """Whether the last of these digits is Luhn's check digit, by sums that are made once for all of the run."""
        start, end = self.at[first], self.at[last]
        if len(self.all) <= _CARD.stop:
            return checks.luhn(self.all[start:end])
        plain = (end - 1) % 2
        sums = self._sums.get(plain)
        if sums is None:
            sums = self._sums[plain] = checks.luhn_sums(self.all.encode(), plain)
        return (sums[end] - sums[start]) % 10 == 0

    def whole(self, first: int, last: int, strict: bool) -> bool:
        """Whether nothing beside these groups goes on with them: a letter or digit, and if `strict` `-`, `.` or `/`."""
        start, end = self._starts[first], self._ends[last - 1]
        before, after = self.text[max(0, start - 2) : start], self.text[end : end + 2]
        if _joins(before[-1:]) or _joins(after[:1]):
            return False
        return not strict or not (_goes_on(before[-1:], before[:1]) or _goes_on(after[:1], after[1:]))


def _joins(character: str) -> bool:
    return character == "_" or (character.isascii() and character.isalnum())


def _goes_on(separator: str, character: str) -> bool:
    return separator != "" and separator in "-./" and _joins(character)


def numbers(text: str, said: Said, rest: Rest, *, plain: bool, lenient: bool) -> Iterator[Finding]:
    """The personal numbers of `text`; if `lenient`, also those of which no word says what they are.

    `plain` is whether `PLAIN` matches anywhere: if not, and if no word says something, there are none.
    """
    done = 0
    quick = not lenient and not said.words
    for place in _places(text, said, rest, plain=plain, lenient=lenient):
        if place < done:
            continue
        rest()
        before, after = text[max(done, place - _AREA) : place], text[place : place + _AREA]
        start = place - len(before) + len(before.rstrip(_AROUND))
        done = place + len(after) - len(after.lstrip(_AROUND))
        piece = text[start:done]
        if quick and piece.isdecimal() and not _stretch(piece):
            continue
        run = _Run(text, start, _GROUP.split(piece), said, lenient)
        if len(run.all) >= _CARD.start:
            yield from _cards(run)
        if "+" in piece:
            yield from _international(run, start)
        yield from _written(run)
        if said.words:
            yield from _called(run)


def _stretch(digits: str) -> bool:
    """Whether they may be something at one stretch and without words: most are not, and are known to be by this."""
    size = len(digits)
    card = size in checks.CARD_LENGTHS.get(digits[:4], ()) and checks.luhn(digits)
    return card or size in _PLAIN_SIZES


def _places(text: str, said: Said, rest: Rest, *, plain: bool, lenient: bool) -> Sequence[int]:
    """Where digits are worth a look."""
    if lenient:
        return [start for start, _ in paced(_ANY.spans(text), rest)]
    places = [start for start, _ in paced(PLAIN.spans(text), rest)] if plain else []
    digits = [_DIGIT.search(text, end, end + REACH + 1) for end in said.ends]
    if digits:
        places = sorted([*places, *(match.start() for match in digits if match is not None)])
    return places


def _cards(run: _Run) -> Iterator[Finding]:
    sizes = run.sizes
    for first, size in enumerate(sizes):
        if size in _CARD:
            if first + 1 in run.cards(first) and run.checked(first, first + 1):
                yield from _card(run, first, first + 1)
        elif 3 <= size <= 6 and first + 2 < len(sizes) and (size, sizes[first + 1]) in _CARD_BEGINS:
            for last in run.cards(first):
                if 3 <= last - first <= 7 and _evenly(sizes[first:last]) and run.checked(first, last):
                    yield from _card(run, first, last)
    # Digits one by one or in pairs are a list of numbers, unless they are all there is.
    last = len(sizes)
    if sizes[0] < 3 and len(run.all) in _CARD and _evenly(sizes) and last in run.cards(0) and run.checked(0, last):
        yield from _card(run, 0, last)


def _evenly(sizes: tuple[int, ...]) -> bool:
    if sizes in _CARD_GROUPS:
        return True
    return all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= max(sizes[0], 4)


def _card(run: _Run, first: int, last: int) -> Iterator[Finding]:
    start, between = run.start(first), run.between(first, last)
    # After a point stands a fraction.
    fraction = first + 1 == last and re.search(r"\d\.$", run.text[max(0, start - 2) : start]) is not None
    if fraction or len(between) > 1 or not between <= {" ", "-", "."}:
        return
    if len(set(run.digits(first, last))) > 1 and run.whole(first, last, strict=False):
        yield Finding("credit_card", start, run.end(last - 1))


def _international(run: _Run, start: int) -> Iterator[Finding]:
    """A number with its country, as `+49 30 901820`: groups are added while there is room for them (E.164)."""
    sign = run.text.find("+", start, run.start(0))
    if sign < 0 or _joins(run.text[sign - 1 : sign]) or run.all[0] == "0":
        return
    last = count = 0
    for size in run.sizes:
        if count + size >= _PHONE.stop:
            break
        count, last = count + size, last + 1
    # Two groups with a point between them are a fraction with its sign.
    if count in _PHONE and not (last == 2 and run.between(0, 2) == {"."}) and run.whole(0, last, strict=False):
        yield Finding("phone", sign, run.end(last - 1))


def _written(run: _Run) -> Iterator[Finding]:
    sizes = run.sizes
    for match in _SHAPES.finditer(bytes(sizes)):
        first = match.start()
        for length in _LENGTHS[sizes[first]]:
            last = first + length
            ways = _BY_SIZES.get(sizes[first:last]) if last <= len(sizes) else None
            # Of two ways that are written alike, the one that more must hold of comes first.
            if ways and (way := next((way for way in ways if _holds(way, run, first, last)), None)) is not None:
                start = run.start(first)
                yield Finding(way.kind, start - (run.text[start - 1 : start] == "("), run.end(last - 1))


def _holds(way: _Number, run: _Run, first: int, last: int) -> bool:
    if way.context and not run.lenient and not run.said.words:
        return False
    # In the order of what each costs.
    between = run.between(first, last)
    if not between.issubset(way.between) or (len(between) > 1 and way.kind not in _MIXED):
        return False
    if not way.valid(run.digits(first, last)):
        return False
    if not run.whole(first, last, strict=True):
        return False
    return not way.context or run.lenient or run.said.says(way.kind, run.start(first))


def _called(run: _Run) -> Iterator[Finding]:
    """Any number that words say is a phone's."""
    start = run.start(0)
    if len(run.all) in _PHONE and run.whole(0, len(run.sizes), strict=True) and run.said.says("phone", start):
        yield Finding("phone", start, run.end(-1))
