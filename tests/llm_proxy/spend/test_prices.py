"""Whose price holds for a target."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from llm_proxy.spend.bundled import look
from llm_proxy.spend.price import Price, flat
from llm_proxy.spend.prices import Prices
from llm_proxy.spend.usage import Usage
from mcp_gateway.envelopes.policy.budgets.rules import NANO
from tests.support import ROOT


@dataclass(frozen=True)
class Provider:
    type: str
    base_url: str


@dataclass(frozen=True)
class Written:
    input: Decimal
    output: Decimal = Decimal(0)
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


PROVIDERS = {
    "openai-main": Provider("openai", "https://api.openai.com/v1"),
    "relay": Provider("openai", "http://127.0.0.1:9/v1"),
    "groq": Provider("openai", "https://api.groq.com/openai/v1"),
    "anthropic-main": Provider("anthropic", "https://api.anthropic.com"),
    "google": Provider("gemini", "https://generativelanguage.googleapis.com"),
}

THEIRS = [
    ("openai-main/gpt-4o-mini", "openai", 1_000),
    ("openai-main/gpt-4o-2024-08-06", "openai", 1_000),
    ("openai-main/o3", "openai", 1_000),
    ("anthropic-main/claude-sonnet-4-5", "anthropic", 100_000),
    ("anthropic-main/claude-sonnet-4-5", "anthropic", 200_000),
    ("anthropic-main/claude-sonnet-4-5", "anthropic", 200_001),
    ("google/gemini-2.5-pro", "google", 300_000),
    ("relay/gpt-4.1", "openai", 10),
]


@pytest.mark.parametrize(("target", "house", "tokens"), THEIRS)
def test_costs_are_those_of_the_bundled_data(target: str, house: str, tokens: int) -> None:
    price = Prices(PROVIDERS, {}).of(target)
    assert price is not None
    usage = Usage(input=tokens, output=321, cache_read=tokens // 3)
    theirs = calc_price(
        TheirUsage(input_tokens=usage.input, output_tokens=usage.output, cache_read_tokens=usage.cache_read),
        target.partition("/")[2],
        provider_id=house,
    )
    # They round to the precision of decimals, we up to a nanodollar.
    assert abs(price.cost(usage) - theirs.total_price * NANO) < 1


def test_what_the_configuration_says_holds() -> None:
    written = {"openai-main/gpt-4o": Written(Decimal(1), Decimal(2)), "on-prem/llama": Written(Decimal("0.2"))}
    prices = Prices(PROVIDERS, written)
    assert prices.of("openai-main/gpt-4o") == flat(1, 2)
    assert prices.of("on-prem/llama") == flat(Decimal("0.2"))


def test_models_without_a_price_are_told() -> None:
    prices = Prices(PROVIDERS, {})
    targets = ["relay/my-own", "openai-main/gpt-4o", "nobody/gpt-4o", "groq/gpt-4o", "openai-main/", "relay/my-own"]
    assert prices.unknown(targets) == ("groq/gpt-4o", "nobody/gpt-4o", "openai-main/", "relay/my-own")


def test_each_target_is_looked_up_once() -> None:
    asked: list[str] = []

    def answer(kind: str, base_url: str, model: str) -> Price | None:
        asked.append(model)
        return None if model == "none" else flat(1)

    prices = Prices(PROVIDERS, {}, answer)
    for _ in range(3):
        assert prices.of("relay/none") is None
        assert prices.of("relay/some") == flat(1)
    assert asked == ["none", "some"]


@pytest.mark.parametrize("model", ["", "x" * 5_000, "\0", "gpt-4o\n", "../../etc", "🤖"])
def test_any_name_of_a_model_can_be_asked_for(model: str) -> None:
    for provider in PROVIDERS.values():
        look(provider.type, provider.base_url, model)
    assert look("unknown", "http://127.0.0.1:9/", model) is None


def test_what_is_not_paid_by_tokens_has_no_price() -> None:
    assert look("openai", "https://api.openai.com/v1", "whisper-1") is None


def test_the_data_are_loaded_only_where_they_are_needed() -> None:
    program = """
import sys
from llm_proxy.spend.prices import Prices
prices = Prices({}, {})
prices.of("a/b")
print("genai_prices" in sys.modules)
import dataclasses
def forbid(event, arguments):
    assert not event.startswith("socket.connect") and not event.startswith("socket.getaddrinfo"), event
sys.addaudithook(forbid)
provider = dataclasses.make_dataclass("P", ["type", "base_url"])("openai", "https://api.openai.com/v1")
print(Prices({"a": provider}, {}).of("a/gpt-4o") is not None)
print("genai_prices" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]
