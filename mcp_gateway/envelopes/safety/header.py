"""Guardrails that a request names itself: `X-TFY-GUARDRAILS`, a JSON object from hooks to lists of names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mcp_gateway.core import strictjson
from mcp_gateway.envelopes.safety.verdict import Hook

HEADER: Final = "X-TFY-GUARDRAILS"
HEADERS: Final = ("x-tfy-guardrails", "x-gateway-guardrails")
"""Both names of the header, in lower case as ASGI delivers them."""

MOST_NAMES: Final = 64
"""Most guardrails that one request may name, over all hooks."""

MOST_BYTES: Final = 8192
_LIMITS: Final = strictjson.JsonLimits(depth=2, nodes=2 * MOST_NAMES, string=256, key=64)
_HOOKS: Final = frozenset(hook.value for hook in Hook)


class BadHeader(ValueError):
    """What is wrong with the header; the message may be shown to the caller."""


def read_header(values: Sequence[str], known: Iterable[str]) -> Mapping[Hook, tuple[str, ...]]:
    """The names that the header's `values` add to each hook. A header that came twice, or by both names, adds up.

    Raises `BadHeader` for what is no such object, and for a name that is not among `known`.
    """
    added: dict[Hook, tuple[str, ...]] = {}
    for value in values:
        for hook, names in _read(value).items():
            added[hook] = (*added.get(hook, ()), *names)
    if sum(map(len, added.values())) > MOST_NAMES:
        raise BadHeader(f"{HEADER} names more than {MOST_NAMES} guardrails")
    there = frozenset(known)
    unknown = sorted({name for names in added.values() for name in names if name not in there})
    if unknown:
        shown = ", ".join(map(_shown, unknown))
        raise BadHeader(f"{HEADER} names unknown guardrails: {shown}; known are: {', '.join(sorted(there))}")
    return added


def _read(value: str) -> Mapping[Hook, tuple[str, ...]]:
    data = value.encode("latin-1", "replace")  # as it came over the wire
    if len(data) > MOST_BYTES:
        raise BadHeader(f"{HEADER} is longer than {MOST_BYTES} bytes")
    try:
        found = strictjson.loads(data, _LIMITS)
    except strictjson.JsonError as error:
        raise BadHeader(f"{HEADER} is not a JSON object of lists: {error.message}") from error
    if not isinstance(found, dict):
        raise BadHeader(f"{HEADER} is not a JSON object")
    names: dict[Hook, tuple[str, ...]] = {}
    for hook, listed in found.items():
        if hook not in _HOOKS:
            raise BadHeader(f"{HEADER} has a hook that does not exist: expected {', '.join(sorted(_HOOKS))}")
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise BadHeader(f"{HEADER}: {hook} is not a list of names")
        names[Hook(hook)] = tuple(listed)
    return names


def _shown(name: str) -> str:
    """A name from outside, cut short and in characters that every log and terminal shows as they are."""
    return ascii(name[:64])[1:-1]
