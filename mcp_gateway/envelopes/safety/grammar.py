"""How the fields of a protocol's messages carry text. Pure.

What a grammar does not name is looked at and rewritten like any text, so that nothing passes for being new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any


class Handling(Enum):
    """What a field of the protocol is to guardrails."""

    TEXT = auto()
    """Looked at and rewritten; what is found in a list under it too."""

    FIXED = auto()
    """Looked at, never rewritten: an address, an identifier or a word of the protocol means something as it is."""

    BINARY = auto()
    """Base64: what it holds is looked at."""

    ADDRESS = auto()
    """An address, which is fixed; of a `data:` one what it holds is looked at."""

    JSON = auto()
    """JSON in a string, as far as it is an object or a list: its values are looked at as if they stood there."""

    PARTS = auto()
    """An object of the protocol, or a list of them."""

    NAMED = auto()
    """An object whose keys the other side chose and whose values are objects of the protocol."""

    FREE = auto()
    """Anything: every key and every value below it is looked at."""


def _none() -> Mapping[str, Mapping[str, Handling]]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Grammar:
    """The fields of one protocol.

    `fields` says how a field carries text wherever the protocol has it; `typed` outranks it, by field and by the `type`
    of the object in which it stands. `opaque` are fields of a message itself, not of its parts, that are for the other
    end alone: given back as they came.
    """

    fields: Mapping[str, Handling]
    typed: Mapping[str, Mapping[str, Handling]] = field(default_factory=_none)
    opaque: frozenset[str] = frozenset()

    def handling(self, holder: Mapping[str, Any], key: str) -> Handling | None:
        """How the field `key` of an object carries text; None for one that the protocol does not have."""
        typed = self.typed.get(key)
        if typed is not None:
            kind = holder.get("type")
            if isinstance(kind, str) and kind in typed:
                return typed[kind]
        return self.fields.get(key)
