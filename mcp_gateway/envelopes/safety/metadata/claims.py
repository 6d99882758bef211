"""What a caller says about a request, read strictly: from the headers, and on MCP from the request's `_meta`. Pure.

The two add up. Where both have a key they have to agree; what is told apart by the order in which somebody reads is
refused, so that no two readers see another request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.metadata import HEADERS, MAX_KEYS, MAX_VALUE, META_KEY, is_key, is_value, no_metadata
from mcp_gateway.core.strictjson import JsonError, JsonLimits

MAX_BYTES: Final = 8 * 1024
"""Of one header's value."""

META: Final = "_meta"
"""Names the place in faults."""

_LIMITS: Final = JsonLimits(depth=8, nodes=1_000, string=MAX_BYTES, key=MAX_BYTES)
"""Loose: what is too much of something is said in the words of metadata."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `at` is a key of the contract or the place that is wrong; `words` say what is expected.

    Neither holds anything that a caller sent.
    """

    at: str
    words: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a caller says: the entries that can be read, and what is wrong with the rest."""

    values: Mapping[str, str] = field(default_factory=no_metadata)
    faults: tuple[Fault, ...] = ()


NOTHING: Final = Claims()


def read_claims(headers: Mapping[str, tuple[str, ...]], meta: object = None) -> Claims:
    """The claims of a request with `headers` (names in lower case, values as latin-1 text) and this `_meta`."""
    written = [(name, value) for name in HEADERS for value in headers.get(name, ())] if headers else []
    spoken = isinstance(meta, dict) and META_KEY in meta
    if not written and not spoken:
        return NOTHING
    faults: list[Fault] = []
    readings = [_of_header(HEADERS[name], value, faults) for name, value in written]
    if any(reading != readings[0] for reading in readings):
        faults.append(Fault(HEADERS[written[-1][0]], "the headers that hold it must say the same"))
    values = readings[0] if readings else {}
    if isinstance(meta, dict) and spoken:
        told = _entries(META, meta[META_KEY], faults)
        if any(values.get(key, value) != value for key, value in told.items()):
            faults.append(Fault(META, f"the header and {META_KEY} in params._meta must not contradict each other"))
        values = {**told, **values}
    if len(values) > MAX_KEYS:
        faults.append(Fault(META, f"the header and params._meta have at most {MAX_KEYS} keys together"))
        values = {}
    return Claims(values, tuple(dict.fromkeys(faults)))


def _of_header(name: str, value: str, faults: list[Fault]) -> dict[str, str]:
    raw = value.encode("latin-1", "replace")
    if len(raw) > MAX_BYTES:
        faults.append(Fault(name, f"{name} has at most {MAX_BYTES} bytes"))
        return {}
    try:
        given = strictjson.loads(raw, _LIMITS)
    except JsonError as error:
        faults.append(Fault(name, f"{name} must be a JSON object of strings: {error.message}"))
        return {}
    return _entries(name, given, faults)


def _entries(place: str, given: Any, faults: list[Fault]) -> dict[str, str]:
    """The entries of `given` that can be metadata."""
    shown = f"{META_KEY} in params._meta" if place == META else place
    if not isinstance(given, dict):
        faults.append(Fault(place, f"{shown} must be a JSON object of strings"))
        return {}
    if len(given) > MAX_KEYS:
        faults.append(Fault(place, f"{shown} has at most {MAX_KEYS} keys"))
        return {}
    fine = {key: value for key, value in given.items() if is_key(key) and isinstance(value, str) and is_value(value)}
    if len(fine) < len(given):
        words = f"{shown} holds strings of at most {MAX_VALUE} characters without control characters"
        faults.append(Fault(place, f"{words}, under keys of 1 to 128 characters without spaces"))
    return fine
