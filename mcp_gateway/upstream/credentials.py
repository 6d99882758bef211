"""What of an upstream's credentials goes with a request. Nothing of a caller's own ever does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret


class Credentials(Protocol):
    """Header fields for requests to one upstream."""

    def of(self, principal: Principal) -> Mapping[str, str]:
        """For a call of `principal`."""
        ...

    def own(self) -> Mapping[str, str]:
        """For what the gateway asks on its own account."""
        ...


class FixedHeaders:
    """The same header fields for everybody; none is the common case. Revealed once, never shown."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Secret] | None = None) -> None:
        self._fields: Mapping[str, str] = MappingProxyType(
            {name.lower(): value.reveal() for name, value in (fields or {}).items()}
        )

    def of(self, principal: Principal) -> Mapping[str, str]:
        return self._fields

    def own(self) -> Mapping[str, str]:
        return self._fields

    def __repr__(self) -> str:
        return f"FixedHeaders({', '.join(self._fields)})"
