"""Who may come without credentials: peers on loopback, as the anonymous principal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def on_loopback(scope: Mapping[str, Any]) -> bool:
    """Whether the peer of a request is on this machine; one without an address is."""
    client = scope.get("client")
    return client is None or client[0] in _LOOPBACK or client[0].startswith("127.")
