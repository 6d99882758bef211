"""The part of a question that is kept so that it can be decided again: no more of it than policies read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mcp_gateway.envelopes.policy.cedar.fit import INPUT, OUTPUT
from mcp_gateway.envelopes.policy.cedar.model import Json, Path

MAX_BYTES: Final = 1024
"""Most bytes of one value as JSON. A longer one is not kept, as if it had not been looked at."""

MAX_STEPS: Final = 32
"""Deepest path that is kept."""

_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Values of a context by their paths, and the paths at which there was nothing."""

    values: tuple[tuple[Path, Any], ...] = ()
    absent: tuple[Path, ...] = ()

    def json(self) -> dict[str, Any]:
        """As it is recorded."""
        return {
            "values": [[list(path), value] for path, value in self.values],
            "absent": [list(p) for p in self.absent],
        }

    @property
    def paths(self) -> frozenset[Path]:
        """Everything that is known of."""
        return frozenset((*(path for path, _ in self.values), *self.absent))

    def below(self, root: str) -> Json:
        """The attribute `root` of the context as far as it is known."""
        found: dict[str, Any] = {}
        for path, value in self.values:
            if path[0] != root:
                continue
            if len(path) == 1:
                return value if isinstance(value, Mapping) else {}
            holder = found
            for step in path[1:-1]:
                holder = holder.setdefault(step, {})
            holder[path[-1]] = value
        return found


def excerpt(paths: Iterable[Path], root: str, value: Json) -> Excerpt:
    """Of `value`, which is the attribute `root` of the context, what is at `paths`.

    Of two paths of which one is above the other the upper one is kept, but for the root of an output: policies have
    to ask whether there is one, which tells nothing of its content.
    """
    wanted = {path for path in paths if path[0] == root and len(path) <= MAX_STEPS}
    if root == OUTPUT and len(wanted) > 1:
        wanted.discard((OUTPUT,))
    values: list[tuple[Path, Any]] = []
    absent: list[Path] = []
    for path in sorted(wanted):
        if any(path[:length] in wanted for length in range(1, len(path))):
            continue
        found = _at(value, path[1:])
        if found is _NOTHING:
            absent.append(path)
        elif _small(found):
            values.append((path, found))
    return Excerpt(tuple(values), tuple(absent))


def _at(value: object, steps: Path) -> object:
    for step in steps:
        if not isinstance(value, Mapping) or step not in value:
            return _NOTHING
        value = value[step]
    return value


def _small(value: object) -> bool:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return True
    try:
        return len(orjson.dumps(value)) <= MAX_BYTES
    except (TypeError, ValueError):
        return False  # no text, or a number that has no JSON


def read_excerpt(recorded: object) -> Excerpt:
    """What `Excerpt.json` wrote. Raises `ValueError` for anything else."""
    if not isinstance(recorded, Mapping):
        raise ValueError("no excerpt")
    try:
        values = tuple((_path(path), value) for path, value in recorded.get("values", ()))
        return Excerpt(values, tuple(_path(path) for path in recorded.get("absent", ())))
    except (TypeError, IndexError) as error:
        raise ValueError("no excerpt") from error


def _path(steps: object) -> Path:
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps) or not steps:
        raise ValueError("no path")
    if steps[0] not in (INPUT, OUTPUT):
        raise ValueError("no path of an excerpt")
    return tuple(steps)
