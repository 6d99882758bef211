"""All providers of a configuration, kept across configurations as far as they stay what they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from llm_proxy.providers.provider import Provider, Terms
from mcp_gateway.core.egress.addresses import AddressPolicy, Allowed
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import parse_url
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.envelopes.policy.bulkhead import Places


@dataclass(frozen=True, slots=True)
class Wanted:
    """One provider as the configuration wants it. `connections` are the most that are open to it at once."""

    terms: Terms
    tls: TlsFiles
    concurrency: int
    connections: int


class Registry:
    """Makes providers, and lets go of them once nothing uses them any more. Make it inside the running loop."""

    __slots__ = ("_allowed", "_limits", "_made")

    def __init__(self, allowed: Allowed, *, largest: int) -> None:
        """`largest` is how many bytes an answer may have that is read whole."""
        self._allowed = allowed
        self._limits = ResponseLimits(body_bytes=largest)
        self._made: list[tuple[Wanted, Provider]] = []

    def provide(self, wanted: Mapping[str, Wanted]) -> Mapping[str, Provider]:
        """The providers that are `wanted`, by name: those that are there already, and new ones.

        Raises `OSError` for certificates that cannot be read.
        """
        return MappingProxyType({name: self._found(each) or self._make(each) for name, each in wanted.items()})

    def keep(self, providers: Collection[Provider]) -> None:
        """These are in force now: all others end with their last request."""
        for _, provider in self._made:
            if provider not in providers:
                provider.retire()
        self._made = [each for each in self._made if each[1] in providers]

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
        for _, provider in self._made:
            await provider.close()

    def _found(self, wanted: Wanted) -> Provider | None:
        return next((provider for held, provider in self._made if held == wanted), None)

    def _make(self, wanted: Wanted) -> Provider:
        origin, _ = parse_url(wanted.terms.base_url)
        client = HttpClient(
            origin,
            guard=AddressGuard(AddressPolicy.operator(self._allowed)),
            tls=wanted.tls.context() if origin.secure else None,
            max_connections=wanted.connections,
            limits=self._limits,
        )
        places = Places(wanted.concurrency, owner=f"the provider `{wanted.terms.name}`")
        provider = Provider(wanted.terms, client, places)
        self._made.append((wanted, provider))
        return provider
