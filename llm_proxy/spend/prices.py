"""The prices of the targets of a configuration: what it says itself, else the bundled price data.

Looked up once per target. Nothing is fetched: the data are as old as the installed package, and prices that changed
since belong into `prices` of models.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from importlib import import_module
from types import MappingProxyType
from typing import Final, Protocol

from llm_proxy.spend.price import Price, flat

_BUNDLED: Final = "llm_proxy.spend.bundled"
"""Loaded by name, only where a target has no price of its own: the data are 12 MB of memory and 0.2 seconds."""

Look = Callable[[str, str, str], Price | None]
"""(type of the provider, its base URL, model) → the price of it, None if unknown."""


class PriceSpec(Protocol):
    """`prices.<target>` of models.yaml, in USD per million tokens."""

    @property
    def input(self) -> Decimal | float: ...
    @property
    def output(self) -> Decimal | float: ...
    @property
    def cache_read(self) -> Decimal | float | None: ...
    @property
    def cache_write(self) -> Decimal | float | None: ...


class ProviderSpec(Protocol):
    """What of `providers.<name>` decides whose price list holds."""

    @property
    def type(self) -> str: ...
    @property
    def base_url(self) -> str: ...


class Prices:
    """The prices of targets (`provider/model`). One per snapshot: it remembers what it looked up."""

    __slots__ = ("_found", "_look", "_providers", "_written")

    def __init__(
        self,
        providers: Mapping[str, ProviderSpec],
        written: Mapping[str, PriceSpec],
        look: Look | None = None,
    ) -> None:
        """`written` is `prices` of models.yaml. `look` stands for the bundled data. Raises `ValueError`."""
        self._providers = providers
        self._written: Mapping[str, Price] = MappingProxyType(
            {
                target: flat(spec.input, spec.output, spec.cache_read, spec.cache_write)
                for target, spec in written.items()
            }
        )
        self._look = look or _look
        self._found: dict[str, Price | None] = {}

    def of(self, target: str) -> Price | None:
        """The price of a target, None if nobody knows it: its answers are counted as free, and recorded as unknown."""
        if (price := self._written.get(target)) is not None:
            return price
        if target not in self._found:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            self._found[target] = self._ask(target)
        return self._found[target]

    def unknown(self, targets: Iterable[str]) -> tuple[str, ...]:
        """Those of `targets` without a price, in order: what start-up tells the admin. Looks up the others."""
        return tuple(sorted({target for target in targets if self.of(target) is None}))

    def _ask(self, target: str) -> Price | None:
        name, _, model = target.partition("/")
        provider = self._providers.get(name)
        if provider is None or not model:
            return None
        return self._look(provider.type, provider.base_url, model)


_MOST_REMEMBERED: Final = 4096
"""Clients may name any model of a provider."""


def _look(kind: str, base_url: str, model: str) -> Price | None:
    found: Price | None = import_module(_BUNDLED).look(kind, base_url, model)
    return found
