"""What is told of calls besides the facts, as the configuration has it: to the record, and to spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Final

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.bodies import PURPOSE, Body, keyed, text_of
from mcp_gateway.envelopes.observability.detail import MOST_CONTENT, Detail, Show
from mcp_gateway.envelopes.observability.traces.baggage import Wanted
from mcp_gateway.envelopes.safety.finding import Detector
from mcp_gateway.envelopes.safety.scan import redact, scan
from mcp_gateway.settings.governance import AuditSettings, TelemetrySettings

_DETECTORS: Final = (
    ("mcp_gateway.envelopes.safety.detectors.pii", "Pii"),
    ("mcp_gateway.envelopes.safety.detectors.secrets", "Secrets"),
)
"""Loaded by name, only where bodies are recorded without what they find (docs/decisions/009)."""

MAX_BODY: Final = MOST_CONTENT
"""Most bytes of a body that are looked through: of a longer one the digest is recorded. It is done while the call
waits."""


def body_of(settings: AuditSettings, keys: Sequence[bytes]) -> Body | None:
    """How bodies are recorded; None where they are not."""
    if settings.bodies == "none":
        return None
    digest = keyed(Signer(keys, PURPOSE))
    return digest if settings.bodies == "hashes" else _redacted(digest, _detectors())


def detail_of(settings: TelemetrySettings) -> Detail:
    """How much spans tell."""
    baggage = settings.baggage
    wanted = Wanted(frozenset(baggage.forward), frozenset(baggage.attributes))
    return Detail(
        ratio=settings.trace_ratio,
        baggage=wanted if wanted.forward or wanted.attributes else None,
        show=None if settings.content == "none" else _shown(_detectors()),
    )


def _shown(detectors: Sequence[Detector]) -> Show:
    def show(value: object) -> str | None:
        if len(text_of(value)) > MAX_BODY:
            return None
        shown = text_of(_mapped(value, lambda text: redact(text, scan(text, detectors)))).decode()
        if shown.isprintable():
            return shown
        # JSON itself, with escapes for what a terminal or a log viewer acts on.
        return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in shown)

    return show


def _detectors() -> Sequence[Detector]:
    return [getattr(import_module(module), name)() for module, name in _DETECTORS]


def _redacted(digest: Body, detectors: Sequence[Detector]) -> Body:
    def without(text: str) -> str:
        return redact(text, scan(text, detectors))

    def body(value: object) -> object:
        return _mapped(value, without) if len(text_of(value)) <= MAX_BODY else digest(value)

    return body


def _mapped(value: object, without: Callable[[str], str]) -> object:
    """`value` with each text in it, keys too, as `without` leaves it. Keys say more of what stands behind them."""
    if isinstance(value, str):
        return without(value)
    if isinstance(value, Mapping):
        return {without(str(name)): _under(str(name), each, without) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(each, without) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if (text := str(value)) == without(text) else without(text)
    return value


def _under(name: str, value: object, without: Callable[[str], str]) -> object:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return _mapped(value, without)
    before = f"{name}: "
    shown = without(f"{before}{value}")
    if shown == f"{before}{value}":
        return value
    return shown.removeprefix(before)
