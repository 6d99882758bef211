"""The price data of the package `genai-prices`, as `Price`. Load it by name: the data are large."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TieredPrices

from llm_proxy.spend.price import Price, Rates, rate, tiered

_HOUSES: Final[Mapping[str, str]] = MappingProxyType({"openai": "openai", "anthropic": "anthropic", "gemini": "google"})
"""Whose list holds for a base URL that no list names, by the type of the provider: a relay asks what its house does."""


def look(kind: str, base_url: str, model: str) -> Price | None:
    """The price today of `model` at the provider whose API is at `base_url`, None if unknown."""
    found = _find(get_snapshot(), kind, base_url, model)
    return None if found is None else _price(_today(found))


def _find(snapshot: DataSnapshot, kind: str, base_url: str, model: str) -> ModelInfo | None:
    try:
        provider = snapshot.find_provider(None, None, base_url)
    except LookupError:
        house = _HOUSES.get(kind)
        if house is None:
            return None
        provider = snapshot.find_provider(None, house, None)
    try:
        return snapshot.find_provider_model(model, provider, None, None)[1]
    except LookupError:
        return None


def _today(model: ModelInfo) -> ModelPrice:
    """The price that began last. A discount for some hours of the day is not counted on: it is looked up once."""
    if isinstance(model.prices, ModelPrice):
        return model.prices
    now = datetime.now(UTC)
    for each in reversed(model.prices):
        constraint = each.constraint
        if constraint is None or (isinstance(constraint, StartDateConstraint) and constraint.active(now)):
            return each.prices
    return model.prices[0].prices


def _price(found: ModelPrice) -> Price | None:
    """None where it is not tokens of text that are paid for."""
    if found.input_mtok is None:
        return None
    parts = (found.input_mtok, found.output_mtok, found.cache_read_mtok, found.cache_write_mtok)
    starts = {tier.start for part in parts if isinstance(part, TieredPrices) for tier in part.tiers}
    return tiered([(start, _rates(found, start)) for start in (0, *sorted(starts))])


def _rates(found: ModelPrice, start: int) -> Rates:
    """The rates of prompts just above `start` tokens."""
    plain = _at(found.input_mtok, start) or 0
    read, write = _at(found.cache_read_mtok, start), _at(found.cache_write_mtok, start)
    return Rates(
        input=plain,
        output=_at(found.output_mtok, start) or 0,
        cache_read=plain if read is None else read,
        cache_write=plain if write is None else write,
    )


def _at(price: Decimal | TieredPrices | None, start: int) -> int | None:
    if price is None:
        return None
    if isinstance(price, Decimal):
        return rate(price)
    value = price.base
    for tier in price.tiers:
        if start >= tier.start:
            value = tier.price
    return rate(value)
