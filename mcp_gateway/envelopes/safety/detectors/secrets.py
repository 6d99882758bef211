"""Credentials: what has the form of one, and what a word calls one and is random enough to be one."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.safety.detectors.secrets_patterns import COMPILED, SECRETS
from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.text.regex import Gate, Pattern

_LONGEST: Final = 512
"""The head of the longest JSON Web Token, up to the first point; all others show what they are sooner."""

_ASSIGNMENTS: Final = (
    r"(?:api[_\-]?key|secret|token|passw(?:or)?d|passphrase|pwd|credentials?|private[_\-]?key"
    r"|access[_\-]?key|auth[_\-]?key|encryption[_\-]?key|client[_\-]?key)[A-Za-z0-9_\-]{0,20}"
    r"\\?[\"']?\s{0,3}(?:=>|:=|[:=])\s{0,3}"
    r"(?:\\?\"[^\s\"\\\[\]]{8}|'[^\s'\\\[\]]{8}|[^\s\"'\[\](){}<>,;\\|]{8})"
)
ASSIGNED: Final = Pattern(r"[A-Za-z0-9_.\-]{0,40}" + _ASSIGNMENTS, ignore_case=True)
"""A name and the first of its value, which has as many characters as these at least."""

ASSIGNS: Final = Pattern(_ASSIGNMENTS, ignore_case=True)
"""The same without the beginning of the name: it matches in the same texts, and what it may be in is less."""

_GATE: Final = Gate((*COMPILED, ASSIGNS))
_CALLED: Final = len(COMPILED)
"""What most texts have nothing of: credentials by their numbers, and after them what a word calls one."""

_SHOWN: Final = 8
_GOES_ON: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        '"': re.compile(r"[^\t\n\f\r \"\\\[\]]{0,192}"),
        "'": re.compile(r"[^\t\n\f\r '\\\[\]]{0,192}"),
        "": re.compile(r"[^\t\n\f\r \"'\[\](){}<>,;\\|]{0,192}"),
    }
)
"""What stands before a value, and how a value goes on that stands after it; to 200 characters together."""

_ASSIGNMENT: Final = re.compile(
    r"(?P<key>[\w.\-]+)\\?[\"']?\s{0,3}(?:=>|:=|[:=])\s{0,3}\\?(?P<quote>[\"']?)(?P<value>.+)", re.S
)
_NO_SECRET: Final = re.compile(
    r"(?i)(?:next|page|continuation|continue|sync|cursor|csrf|max|min|num|count|total|prompt|completion|input|output)"
    r"[\w.\-]{0,16}token|tokens$|token[_-]?(?:type|url|uri|endpoint|count|limit|id)$|public[_-]?key"
    r"|secret[_-]?(?:name|id|ref|arn|version)$|key[_-]?(?:id|name|type)$"
)
"""Names with such a word whose values are no secrets: the marks of pages, counts, addresses, names."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_MADE_UP: Final = re.compile(
    r"(?i)example|change_?me|placeholder|your[_-]|dummy|redacted|x{6}|\*{4}|1234567890?$|^(?:env|file|vault):|^\$|^https?:"
)
_PASSWORD: Final = re.compile(r"(?i)passw(?:or)?d|passphrase|pwd")
_CLASSES: Final = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"[0-9]"), re.compile(r"[^A-Za-z0-9]"))
_DECIMAL: Final = re.compile(r"\d")
_HEX: Final = re.compile(r"[0-9a-fA-F]+\Z")

_RANDOM: Final = 3.5
"""Bits per character, by its own frequencies, from which a value of 20 letters and digits is hardly made of words."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Finds credentials. With `entropy`, also values without a known form that a word calls a secret."""

    entropy: bool = True

    @property
    def name(self) -> str:
        return "secrets"

    @property
    def longest(self) -> int:
        return _LONGEST

    @property
    def joins(self) -> bool:
        """Texts that stand together, lines between, are found in as each by itself; a key says more."""
        return True

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Secrets:
        """Reads `entropy`. Raises `ValueError` for other members and other values."""
        options = Options(config)
        entropy = options.flag("entropy", default=True)
        options.finish()
        return cls(entropy)

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """The credentials in `text`."""
        shown = _GATE.matching(text)
        found = [
            Finding(SECRETS[index].kind, start, end)
            for index in shown
            if index != _CALLED
            for start, end in paced(COMPILED[index].spans(text, SECRETS[index].group), rest)
            if _holds(SECRETS[index].kind, text[start:end])
        ]
        if self.entropy and _CALLED in shown:
            found += _called_secret(text, rest)
        return found


def _holds(kind: str, value: str) -> bool:
    if kind == "jwt":
        return _is_token(value)
    if kind == "bearer_token":
        return _entropy(value) >= 3.0 and any(one.isdecimal() for one in value)
    return kind != "basic_auth" or not _MADE_UP.search(value)


def _is_token(value: str) -> bool:
    """Whether the head of a JSON Web Token says how it is signed or encrypted."""
    head = value.split(".", 1)[0]
    try:
        said = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(said, dict) and "alg" in said


def _called_secret(text: str, rest: Rest) -> Iterator[Finding]:
    def grow(end: int) -> int:
        before = text[end - _SHOWN - 1]
        more = _GOES_ON[before if before in "\"'" else ""].match(text, end)
        return end if more is None else more.end()

    for start, end in ASSIGNED.grown(text, grow):
        rest()
        match = _ASSIGNMENT.fullmatch(text, start, end)
        if match is None or _NO_SECRET.search(match["key"]):
            continue
        # In the query of an address, the next parameter follows.
        value = match["value"].split("&", 1)[0] if text[max(0, start - 1) : start] in ("?", "&") else match["value"]
        if _is_random(match["key"], value):
            yield Finding("secret", match.start("value"), match.start("value") + len(value))


def _is_random(key: str, value: str) -> bool:
    # In the order of what each costs: most values of a text full of them are none.
    if _PASSWORD.search(key):
        return len(value) >= 8 and _classes(value) >= 3 and not _innocent(value)
    if _HEX.match(value):
        return len(value) >= 32 and _entropy(value) >= 3.0 and not _innocent(value)
    if len(value) < 20 or _DECIMAL.search(value) is None or _classes(value) < 2:
        return False
    return _entropy(value) >= _RANDOM and not _innocent(value)


def _classes(value: str) -> int:
    return sum(one.search(value) is not None for one in _CLASSES)


def _innocent(value: str) -> bool:
    return _UUID.match(value) is not None or _MADE_UP.search(value) is not None


def _entropy(value: str) -> float:
    """Shannon's, in bits per character, by the frequencies in the value itself."""
    size = len(value)
    if size >= len(_BITS):
        return -sum(_bits(count, size) for count in Counter(value).values())
    return -sum(map(_BITS[size].__getitem__, Counter(value).values()))


def _bits(count: int, size: int) -> float:
    """What a character counts for that stands `count` times in `size`."""
    return count / size * math.log2(count / size)


_BITS: Final = tuple((0.0, *(_bits(count, size) for count in range(1, size + 1))) for size in range(64))
"""The same for values of usual sizes: the size, the count → bits."""
