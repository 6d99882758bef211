"""YAML text to nodes with positions, bounded in size, depth and number of nodes.

It reads the parser's events itself instead of letting a constructor build objects: duplicate keys, tags and
aliases meet our rules, positions survive, and nesting is refused while it is read, before it costs anything.
An alias counts as many nodes as what it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from mcp_gateway.settings.nodes import Entries, Items, Mark, Node, Scalar
from mcp_gateway.settings.scalars import resolve

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000

_START: Final = Mark(1, 1)
_STRING_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str"})


class YamlProblem(Exception):
    """The text is not YAML that we read. `message` never quotes values."""

    def __init__(self, message: str, mark: Mark = _START, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mark = mark
        self.hint = hint


def read(data: bytes) -> Node:
    """The one document in `data`; an empty file is an empty mapping. Raises `YamlProblem`."""
    if len(data) > MAX_BYTES:
        raise YamlProblem(f"the file is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise YamlProblem("the file is not UTF-8", Mark(line, column)) from error
    try:
        return _Builder().build(YAML(typ="safe", pure=True).parse(text))
    except ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        raise YamlProblem("a control character is not allowed here", Mark(line, column)) from error
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(at.line + 1, at.column + 1) if at else _START
        context = f"{error.context}, " if error.context else ""
        raise YamlProblem(f"not YAML: {context}{error.problem}", mark) from error
    except YAMLError as error:
        raise YamlProblem("not YAML") from error


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet. `merges` are the mappings named by `<<`."""

    mark: Mark
    is_mapping: bool
    anchor: str | None
    before: int
    depth: int = 0
    items: list[Node] = field(default_factory=list)
    entries: dict[str, tuple[Mark, Node]] = field(default_factory=dict)
    key: tuple[str, Mark] | None = None
    merges: list[Entries] = field(default_factory=list)


class _Builder:
    """Builds the tree from events with a stack of its own, so that depth never becomes recursion."""

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._count = 0
        self._root: Node | None = None

    def build(self, events: Iterator[Event]) -> Node:
        documents = 0
        for event in events:
            mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise YamlProblem("expected one document, found a second one", mark)
            else:
                self._take(event, mark)
        return self._root if self._root is not None else Entries(_START, {})

    def _take(self, event: Event, mark: Mark) -> None:
        if isinstance(event, ScalarEvent):
            self._grow(1, mark)
            self._place(self._scalar(event, mark), event.anchor, 1, 0)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._open(event, mark)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._close()
        elif isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise YamlProblem("the alias names an anchor that is not defined before it", mark)
            node, size, depth = self._anchors[event.anchor]
            self._deepen(depth, mark)
            self._grow(size, mark)
            self._place(node, None, size, depth, mark)

    def _grow(self, size: int, mark: Mark) -> None:
        self._count += size
        if self._count > MAX_NODES:
            raise YamlProblem(
                f"the document has more than {MAX_NODES} values (aliases count as what they stand for)", mark
            )

    def _deepen(self, depth: int, mark: Mark) -> None:
        if len(self._stack) + depth > MAX_DEPTH:
            raise YamlProblem(f"nested deeper than {MAX_DEPTH} levels", mark)

    def _scalar(self, event: ScalarEvent, mark: Mark) -> Scalar:
        if event.tag is not None and str(event.tag) not in _STRING_TAGS:
            raise YamlProblem("tags are not supported", mark)
        expects_key = self._stack and self._stack[-1].is_mapping and self._stack[-1].key is None
        if event.tag is not None or not event.implicit[0] or expects_key:
            return Scalar(mark, event.value)
        try:
            return Scalar(mark, resolve(event.value))
        except ValueError as error:
            raise YamlProblem(str(error), mark) from error

    def _open(self, event: MappingStartEvent | SequenceStartEvent, mark: Mark) -> None:
        if event.tag is not None:
            raise YamlProblem("tags are not supported", mark)
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_mapping and top.key is None:
            raise YamlProblem("a key must be a string", mark)
        self._deepen(1, mark)
        self._grow(1, mark)
        self._stack.append(_Open(mark, isinstance(event, MappingStartEvent), event.anchor, self._count - 1))

    def _close(self) -> None:
        top = self._stack.pop()
        size = self._count - top.before
        if not top.is_mapping:
            self._place(Items(top.mark, tuple(top.items)), top.anchor, size, top.depth + 1)
            return
        for merged in top.merges:
            for key, entry in merged.entries.items():
                top.entries.setdefault(key, entry)
        self._place(Entries(top.mark, top.entries), top.anchor, size, top.depth + 1)

    def _place(self, node: Node, anchor: str | None, size: int, depth: int, used: Mark | None = None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size, depth)
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        top.depth = max(top.depth, depth)
        if not top.is_mapping:
            top.items.append(node)
        elif top.key is None:
            self._key(top, node, used or node.mark)
        else:
            (key, mark), top.key = top.key, None
            if key == "<<":
                top.merges.extend(_merged(node, mark))
            else:
                top.entries[key] = (mark, node)

    def _key(self, top: _Open, node: Node, mark: Mark) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise YamlProblem("a key must be a string", mark)
        if node.value in top.entries:
            first = top.entries[node.value][0]
            raise YamlProblem(
                f"duplicate key `{node.value}`", mark, f"first at line {first.line}, column {first.column}"
            )
        top.key = (node.value, mark)


def _merged(node: Node, mark: Mark) -> list[Entries]:
    nodes = list(node.items) if isinstance(node, Items) else [node]
    found = [each for each in nodes if isinstance(each, Entries)]
    if len(found) != len(nodes):
        raise YamlProblem("`<<` merges mappings only", mark)
    return found
