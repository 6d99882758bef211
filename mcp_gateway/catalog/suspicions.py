"""What a reviewer should look at before accepting a tool definition. Pure; a help for the eye, not a guard.

Descriptions, names, defaults, enumerations: every string of a definition reaches the model, and any of them can carry
words to it that a person does not see or does not expect.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_gateway.catalog.pin_diff import visible

MAX_TEXT: Final = 65_536
"""So much of one string is looked at."""

MAX_FOUND: Final = 20
"""Most remarks about one definition: one that has more is to be read whole."""

_WHITE: Final = frozenset("\n\r\t")
_JOINER: Final = "\u200d"

_PHRASES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), what)
    for pattern, what in (
        (
            r"\b(ignore|disregard|forget|override)\b.{0,40}\b(previous|prior|above|earlier|other|all|your)\b"
            r".{0,40}\b(instruction|prompt|rule|message|direction|guideline)",
            "tells the model to ignore what it was told",
        ),
        (r"<\s*/?\s*(important|system|instructions?|assistant|secret|hidden|critical)\s*/?>", "has marks of a prompt"),
        (
            r"\b(do not|don't|never|without)\s+(tell|telling|inform|informing|mention|mentioning|reveal|revealing"
            r"|notify|notifying|show|showing|disclose|alert)",
            "asks to keep something from somebody",
        ),
        (
            r"\b(before|instead of|when(ever)?)\s+(you\s+)?(us(e|ing)|call(ing)?|invok(e|ing))\s+"
            r"(this|any|another|other|the)\b.{0,40}\btools?\b",
            "says how other tools or this one are to be called",
        ),
        (r"\b(system prompt|(conversation|chat) history|previous messages)\b", "asks for the conversation"),
        (
            r"((~|\$HOME|/root|/home/[^\s/]{1,40})/\.|\bid_(rsa|ed25519)\b|\.ssh/|\.aws/|\.netrc\b|\bmcp\.json\b"
            r"|/etc/(passwd|shadow)\b)",
            "names files that hold secrets",
        ),
        (r"<!--", "has a comment that a rendered text does not show"),
        (r"[A-Za-z0-9+/_-]{160}", "holds something encoded"),
    )
)
"""What poisoned definitions were seen to say. A match is a reason to read, not a proof."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`what` is said of the string at `path`, a JSON pointer, printable on any terminal."""

    path: str
    what: str


def suspicions(definition: Mapping[str, Any]) -> tuple[Suspicion, ...]:
    """Everything in a definition that a reviewer should look at, at most `MAX_FOUND`."""
    found: list[Suspicion] = []
    for path, text in _strings("", definition):
        for what in _said(text[:MAX_TEXT]):
            found.append(Suspicion(visible(path), what))
            if len(found) == MAX_FOUND:
                return tuple(found)
    return tuple(found)


def look_alikes(tools: Iterable[tuple[str, str]]) -> Sequence[Sequence[tuple[str, str]]]:
    """Groups of tools, as pairs of upstream and name, of different upstreams and with names that look the same."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for upstream, name in tools:
        bare = unicodedata.normalize("NFKC", name).casefold()
        groups.setdefault("".join(char for char in bare if char.isalnum()), []).append((upstream, name))
    return [group for group in groups.values() if len({upstream for upstream, _ in group}) > 1]


def _said(text: str) -> Iterator[str]:
    unseen = [char for index, char in enumerate(text) if _unseen(text, index, char)]
    if unseen:
        shown = ", ".join(dict.fromkeys(f"U+{ord(char):04X}" for char in unseen[:5]))
        yield f"holds characters that nobody sees: {shown}{' and more' if len(unseen) > 5 else ''}"
    if text.startswith("data:image/"):
        return
    for pattern, what in _PHRASES:
        if pattern.search(text):
            yield what


def _unseen(text: str, index: int, char: str) -> bool:
    if char.isprintable() or char in _WHITE or unicodedata.category(char) == "Zs":
        return False
    # Between the parts of an emoji the joiner is as it should be.
    return not (char == _JOINER and 0 < index < len(text) - 1 and unicodedata.category(text[index + 1]) == "So")


def _strings(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Every string in `value`, keys included, with where it is. Not recursive: an upstream decides the depth."""
    waiting: list[tuple[str, object]] = [(path, value)]
    while waiting:
        here, each = waiting.pop()
        if isinstance(each, str):
            yield here, each
        elif isinstance(each, Mapping):
            for key, inner in reversed(tuple(each.items())):
                below = f"{here}/{key.replace('~', '~0').replace('/', '~1')}"
                waiting.append((below, inner))
                if not key.isascii() or len(key) > 40:
                    waiting.append((below, key))
        elif isinstance(each, list):
            waiting += [(f"{here}/{index}", inner) for index, inner in reversed(tuple(enumerate(each)))]
