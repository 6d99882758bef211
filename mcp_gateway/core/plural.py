"""Numbers of things, in words. Pure."""

from __future__ import annotations


def count(number: int, word: str, words: str = "") -> str:
    """`number` things, in the singular or the plural: `words`, else `word` with an s."""
    return f"{number} {word if number == 1 else words or word + 's'}"
