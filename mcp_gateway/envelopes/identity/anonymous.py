"""The door of a gateway without issuers and keys: loopback peers are the anonymous principal, others nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_gateway.core.errors import Unauthenticated
from mcp_gateway.core.principal import ANONYMOUS, Principal

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def anonymous_on_loopback(scope: Mapping[str, Any]) -> Principal:
    """The anonymous principal for a peer on a loopback address; raises `Unauthenticated` for any other."""
    client = scope.get("client")
    if client is None or client[0] in _LOOPBACK or client[0].startswith("127."):
        return ANONYMOUS
    raise Unauthenticated("this gateway serves anonymous callers on loopback addresses only")
