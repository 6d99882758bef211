"""What tokens cost, exactly: integers throughout, so that a sum of costs is the cost, whoever adds them up. Pure.

A rate is picodollars (10⁻¹² USD) per token: one USD per million tokens is 10⁶ of them, and so a price with up to six
decimals is exact. A cost is nanodollars (10⁻⁹ USD), rounded up once per answer: what a request may cost is never
counted below what it does. Up to nine million USD it fits where integers are doubles (JSON, Lua).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from llm_proxy.spend.usage import Usage
from mcp_gateway.envelopes.policy.budgets.rules import NANO

MAX_TOKENS: Final = 1_000_000_000
"""More than this many tokens of one kind in one answer are taken for nonsense, and counted as this many."""

MAX_COST: Final = 100_000 * NANO
"""The most that one answer is said to cost."""

_PICOS_PER_MILLION: Final = 1_000_000
_PICOS_PER_NANO: Final = 1_000


def rate(dollars: Decimal | float) -> int:
    """A price in USD per million tokens as picodollars per token, beyond six decimals rounded up. Raises `ValueError`.

    A float counts as what it prints as: 0.1 is a tenth.
    """
    value = Decimal(str(dollars))
    if not value.is_finite() or value < 0 or value > _PICOS_PER_MILLION:
        raise ValueError("a price is from 0 to a million USD per million tokens")
    return int((value * _PICOS_PER_MILLION).to_integral_value(ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Rates:
    """Picodollars per token: of the prompt, of the answer, read from a provider's cache, written to it."""

    input: int
    output: int
    cache_read: int
    cache_write: int

    def of(self, usage: Usage) -> int:
        """Picodollars. Cached tokens beyond the whole prompt do not make the rest of it negative."""
        picos, plain = _tokens(usage.output) * self.output, _tokens(usage.input)
        if usage.cache_read or usage.cache_write:
            read, write = _tokens(usage.cache_read), _tokens(usage.cache_write)
            picos += read * self.cache_read + write * self.cache_write
            plain = max(0, plain - read - write)
        return picos + plain * self.input

    def most(self, input_tokens: int, output_tokens: int) -> int:
        """The most picodollars that so many tokens can cost, whichever of the prompt are read or written where."""
        dearest = max(self.input, self.cache_read, self.cache_write)
        return _tokens(input_tokens) * dearest + _tokens(output_tokens) * self.output


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: `base`, or the rates of the highest tier whose threshold a prompt exceeds.

    `tiers` are (tokens of the prompt above which the rates hold for all of it, rates), lowest first.
    """

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()

    def cost(self, usage: Usage) -> int:
        """Nanodollars, at most `MAX_COST`. Equal to what `rates` of this prompt come to, rounded up."""
        return _nanos(self.rates(usage.input).of(usage))

    def most(self, input_tokens: int, output_tokens: int) -> int:
        """The most nanodollars that an answer within these bounds can cost: no `cost` within them is more."""
        most = self.base.most(input_tokens, output_tokens)
        for above, rates in self.tiers:
            if input_tokens > above:
                most = max(most, rates.most(input_tokens, output_tokens))
        return _nanos(most)

    def rates(self, input_tokens: int) -> Rates:
        """The rates of a prompt of so many tokens."""
        found = self.base
        for above, rates in self.tiers:
            if input_tokens <= above:
                break
            found = rates
        return found


def flat(
    input: Decimal | float,
    output: Decimal | float = 0,
    cache_read: Decimal | float | None = None,
    cache_write: Decimal | float | None = None,
) -> Price:
    """The price of a model in USD per million tokens. Cached tokens without one cost what others of a prompt do.

    Raises `ValueError`.
    """
    plain = rate(input)
    return Price(
        Rates(
            input=plain,
            output=rate(output),
            cache_read=plain if cache_read is None else rate(cache_read),
            cache_write=plain if cache_write is None else rate(cache_write),
        )
    )


def tiered(steps: Sequence[tuple[int, Rates]]) -> Price:
    """A price from (threshold, rates), the first of which is the base, whatever its threshold."""
    return Price(steps[0][1], tuple(sorted(steps[1:], key=lambda step: step[0])))


def _tokens(count: int) -> int:
    return count if 0 <= count <= MAX_TOKENS else min(max(count, 0), MAX_TOKENS)


def _nanos(picos: int) -> int:
    return min(-(-picos // _PICOS_PER_NANO), MAX_COST)
