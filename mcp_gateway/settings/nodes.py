"""A YAML document as values that remember where they stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Loc: TypeAlias = tuple[str | int, ...]
"""The way from the root of a document to a part of it: keys and list indexes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null."""

    mark: Mark
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    mark: Mark
    items: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping; every entry keeps the position of its key."""

    mark: Mark
    entries: Mapping[str, tuple[Mark, Node]]


Node: TypeAlias = Scalar | Items | Entries


def plain(node: Node) -> object:
    """The node as dict, list and scalars. A node used twice through an alias gives two values."""
    if isinstance(node, Entries):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return node.value


@dataclass(frozen=True, slots=True)
class Found:
    """Where a `Loc` leads: the last node reached, its key (if it has one), the siblings of a missing part."""

    node: Node
    key: Mark | None
    whole: bool

    @property
    def mark(self) -> Mark:
        """Where a person should look: at a value itself, at the key of a mapping or list."""
        if isinstance(self.node, Scalar) and self.node.value is not None:
            return self.node.mark
        return self.key or self.node.mark


def find(root: Node, loc: Loc) -> Found:
    """Follow `loc` as far as the document goes.

    Parts that the document does not have are skipped: validation adds the names of union members to the
    path, and a missing key is reported at the mapping that lacks it. `whole` tells that nothing was skipped.
    """
    node, key, whole = root, None, True
    for part in loc:
        if isinstance(node, Entries) and isinstance(part, str) and part in node.entries:
            key, node = node.entries[part]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            key, node = None, node.items[part]
        else:
            whole = False
    return Found(node, key, whole)
