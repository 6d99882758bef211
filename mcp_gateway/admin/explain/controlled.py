"""The story of a request over the control plane that may have changed something. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "configuration_error": "the configuration has faults, and the one before stays in force",
        "unanswered": "it ended before there was an answer: what became of it is not known",
    }
)


def controlled(known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who it was, in which role, what was to be done, and what was answered."""
    address = known.get("client_address")
    where = f", from {address}" if address else ""
    who = known.get("principal") or "not known, since no credential is asked for"
    yield "Who", f"{who}, as {known.get('role')}{where}"
    route, path = known.get("route") or "no route of it", known.get("path")
    yield "Asked", f"{known.get('http_method')} {path} of the control plane" + ("" if route == path else f" ({route})")
    status = known.get("status")
    yield "Answer", "none" if status is None else f"HTTP {status}"
    yield "Time", f"{float(known.get('duration_ms') or 0):.3f} ms"
