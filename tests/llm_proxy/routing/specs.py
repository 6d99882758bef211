"""Routing as the configuration gives it, for tests: documents go through the settings' own models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.routing.routes import Routes
from llm_proxy.routing.targets import Route
from mcp_gateway.settings.nodes import plain
from mcp_gateway.settings.providers import ProviderSettings
from mcp_gateway.settings.routing import RoutingDocument, RoutingSettings
from mcp_gateway.settings.yaml import read


class Clock:
    """Time that goes when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Numbers:
    """Random numbers that were agreed on; the last one goes on for ever."""

    def __init__(self, *numbers: float) -> None:
        self._numbers: Iterator[float] = iter(numbers)
        self._last = numbers[-1]

    def __call__(self) -> float:
        self._last = next(self._numbers, self._last)
        return self._last


def routes(text: str, virtual: Mapping[str, Mapping[str, Any]] | None = None, **models: tuple[str, ...]) -> Routes:
    """The routes of a document (or of its rules alone), of virtual models, and of providers with the models they list.

    Keywords are names of providers, with `_` for `-`.
    """
    found = plain(read(text.encode()))
    kind = "gateway-load-balancing-config"
    document = RoutingDocument.model_validate(found if isinstance(found, dict) else {"type": kind, "rules": found})
    providers = {
        name.replace("_", "-"): ProviderSettings(type="openai", base_url="https://models.example.com/v1", models=listed)
        for name, listed in models.items()
    }
    made = {name: RoutingSettings.model_validate(each) for name, each in (virtual or {}).items()}
    return Routes.of(document.rules, made, providers)


def route(strategy: str, *targets: Mapping[str, Any], sticky: Mapping[str, Any] | None = None) -> Route:
    """One route; targets are as in a document."""
    spec = {"type": f"{strategy}-based-routing", "load_balance_targets": targets, "sticky_routing": sticky}
    return Route.of("r", RoutingSettings.model_validate(spec))
