"""How large and how costly a schema may be. An upstream's schema is hostile until measured.

The cost is the number of subschema evaluations that one value can cause when every local reference is
followed: references that share targets double it at each step (``allOf`` twenty deep is a million), while the
text stays small. A reference back to a schema that is being evaluated counts once: the validator remembers those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urldefrag, urljoin

from mcp_gateway.catalog.findings import LeftOut, clip
from mcp_gateway.catalog.walk import REFERENCES, STORES, children
from mcp_gateway.core.call import Json


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on one upstream definition. Sizes are bytes of compact JSON."""

    definition: int = 256 * 1024
    schema: int = 64 * 1024
    depth: int = 32
    subschemas: int = 1000
    patterns: int = 64
    cost: int = 10_000


DEFAULT_LIMITS: Final = Limits()

_CHAIN: Final = 200
"""Longest chain of references followed; bounds our own recursion."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a walk found: `forks` means ``anyOf``/``oneOf`` somewhere, `recursive` a reference to an ancestor."""

    subschemas: int
    forks: bool
    recursive: bool


def measure(schema: Json, limits: Limits = DEFAULT_LIMITS) -> Measured:
    """Measure `schema`. Raises `LeftOut` when it exceeds a limit or refers outside itself."""
    survey = _Survey(schema, limits)
    survey.follow(schema, schema, 0)
    return Measured(survey.count, survey.forks, survey.recursive)


class _Survey:
    def __init__(self, root: Json, limits: Limits) -> None:
        self.count = 0
        self.forks = False
        self.recursive = False
        self._limits = limits
        self._patterns = 0
        self._base = root.get("$id") if isinstance(root.get("$id"), str) else ""
        self._named: dict[str, Json] = {}  # absolute $id, or "<id of resource>#anchor" → schema
        self._resource: dict[int, Json] = {}
        self._costs: dict[int, int | None] = {}
        self._index(root)

    def _index(self, root: Json) -> None:
        pending: list[tuple[Json, Json, int]] = [(root, root, 1)]
        while pending:
            node, resource, depth = pending.pop()
            self.count += 1
            if depth > self._limits.depth:
                raise LeftOut(f"its schema is nested deeper than {self._limits.depth} levels")
            if self.count > self._limits.subschemas:
                raise LeftOut(f"its schema has more than {self._limits.subschemas} subschemas")
            self._count_patterns(node)
            self.forks = self.forks or "anyOf" in node or "oneOf" in node
            name = node.get("$id")
            if isinstance(name, str) and not name.startswith("#"):
                resource = node
                self._named[urljoin(str(self._base), name)] = node
            self._resource[id(node)] = resource
            for keyword in ("$anchor", "$dynamicAnchor"):
                anchor = node.get(keyword)
                if isinstance(anchor, str):
                    self._named[f"{id(resource)}#{anchor}"] = node
            pending.extend((child.schema, resource, depth + 1) for child in children(node))

    def _count_patterns(self, node: Json) -> None:
        named = node.get("patternProperties")
        self._patterns += ("pattern" in node) + (len(named) if isinstance(named, dict) else 0)
        if self._patterns > self._limits.patterns:
            raise LeftOut(f"its schema has more than {self._limits.patterns} patterns")

    def follow(self, node: Json, resource: Json, depth: int) -> int:
        """The cost of evaluating `node` once."""
        known = self._costs.get(id(node), 0)
        if known is None:
            self.recursive = True
            return 1
        if known:
            return known
        if depth > _CHAIN:
            raise LeftOut("its schema chains too many references")
        self._costs[id(node)] = None
        resource = self._resource.get(id(node), resource)
        cost = 1
        for child in children(node):
            if child.keyword not in STORES:
                cost += self.follow(child.schema, resource, depth + 1)
        for keyword in REFERENCES:
            reference = node.get(keyword)
            if isinstance(reference, str):
                target = self._resolve(reference, resource)
                cost += self.follow(target, resource, depth + 1) if isinstance(target, dict) else 1
        if cost > self._limits.cost:
            raise LeftOut("its schema is too costly to evaluate: references multiply")
        self._costs[id(node)] = cost
        return cost

    def _resolve(self, reference: str, resource: Json) -> object:
        address, fragment = urldefrag(reference)
        if address:
            own = resource.get("$id")
            base = urljoin(str(self._base), own) if isinstance(own, str) else str(self._base)
            found = self._named.get(urljoin(base, address))
            if found is None:
                raise LeftOut(f"its schema refers to {clip(reference)!r}, which is not part of it and is never fetched")
            resource = found
        if not fragment:
            return resource
        if not fragment.startswith("/"):
            target: object = self._named.get(f"{id(resource)}#{fragment}")
        else:
            target = point(resource, fragment)
        if target is None:
            raise LeftOut(f"its schema refers to {clip(reference)!r}, which does not exist")
        return target


def point(document: object, pointer: str) -> object:
    """The value at a JSON pointer given as a URI fragment (RFC 6901 section 6), None if there is none."""
    for raw in pointer.split("/")[1:]:
        token = unquote(raw).replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(token)
        elif isinstance(document, list) and token.isdigit() and len(token) < 6 and int(token) < len(document):
            document = document[int(token)]
        else:
            return None
    return document
