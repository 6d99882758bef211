"""What an answer used, in one shape for all dialects. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """Tokens of one answer. `input` and `output` are totals, the others say how many of them were what.

    `input` holds all tokens of the prompt, those read from a provider's cache (`cache_read`) and those written to it
    (`cache_write`) too, and `output` holds those of all choices, the ones nobody sees (`reasoning`) too. So a dialect
    that counts them apart is added up where it is read (Anthropic's `input_tokens` leaves the cache out).
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output
