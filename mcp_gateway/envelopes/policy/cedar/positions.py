"""Where things stand in the text of policies: tokens, policies, lines and columns. Pure.

The engine reports neither the place of a policy nor that of an error.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|//[^\n\r]*)
      | (?P<string>"(?:\\.|[^"\\])*+(?:"|\\?\Z))  # one that is not closed takes all the rest
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[0-9]+)
      | (?P<sign>&&|\|\||[=!<>]=|::|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its place: offsets into the text, in characters."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """One policy in its text: from its first token, an annotation perhaps, to its `;` or the end of the text."""

    start: int
    end: int


class Lines:
    """Offsets of one text as lines and columns, both counted from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """The line and column of `offset`."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text`, without blanks and comments. Whatever is no token of the language is a `sign`."""
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield Token(match.lastgroup or "sign", match.group(), match.start(), match.end())


def spans(text: str) -> list[Span]:
    """The policies of `text` in their order, which is that of the engine's names for them."""
    found: list[Span] = []
    start: int | None = None
    end = 0
    for token in tokens(text):
        start = token.start if start is None else start
        end = token.end
        if token.text == ";":
            found.append(Span(start, end))
            start = None
    if start is not None:
        found.append(Span(start, end))
    return found


def find(text: str, words: Sequence[str]) -> int | None:
    """The offset of the last of `words`, where they stand in `text` one after the other with a sign between them.

    Where they do not, that of the last word's first occurrence as a word or as a whole string, else None.
    """
    if not words:
        return None
    found = [token for token in tokens(text) if token.kind in ("word", "string")]
    names = [token.text if token.kind == "word" else token.text[1:-1] for token in found]
    wanted = list(words)
    for size in range(len(wanted), 0, -1):
        tail = wanted[-size:]
        for index in range(len(names) - size + 1):
            if names[index : index + size] == tail:
                return found[index + size - 1].start
    return None
