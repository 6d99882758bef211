"""Where a target is in each chain: a small file of its own, written after the target has acknowledged.

<path>/.shipped/<name>.json    the place that is shipped to, and the position in each chain
                <name>.lock    held by the process that ships there
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from mcp_gateway.core.filelock import locked
from mcp_gateway.envelopes.observability.audit.shipping.reading import Position

FOLDER: Final = ".shipped"


class Cursor:
    """The positions of one target. `place` says what it ships to, and is kept as a digest: at another place of the
    same name all begins anew."""

    __slots__ = ("_path", "_place", "at", "name", "positions", "saved")

    def __init__(self, path: Path, name: str, place: str) -> None:
        """`path` is the record's."""
        self.name = name
        self._path = path / FOLDER / f"{name}.json"
        self._place = hashlib.sha256(place.encode()).hexdigest()[:32]
        self.positions: dict[str, Position] = {}
        self.at: float | None = None
        """When the target took something last, in Unix seconds."""
        self.saved = True
        """Whether all of it is on the disk."""

    def load(self) -> None:
        """Read what was kept. What is not there, or cannot be read, begins at the beginning: records arrive again."""
        self.positions, self.at = {}, None
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            kept: Any = orjson.loads(self._path.read_bytes())
            if kept.get("place") == self._place:
                positions = {str(chain): Position(*map(int, at)) for chain, at in kept["chains"].items()}
                self.positions, self.at = positions, float(kept["at"])

    def lock(self) -> int | None:
        """A descriptor that holds the right to ship, None if another process has it. Raises `OSError`."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        return locked(self._path.with_suffix(".lock"), wait=False)

    def move(self, chain: str, position: Position, present: Sequence[str]) -> None:
        """Be at a position, which is to be saved. Of chains that are not `present` none is kept."""
        kept = {each: at for each, at in self.positions.items() if each in present}
        self.positions = {**kept, chain: position}
        self.at = time.time()
        self.saved = False

    def save(self) -> None:
        """Put the positions on the disk. Raises `OSError`: whoever goes on from here sends again what was taken."""
        chains = {each: (at.number, at.offset, at.seq) for each, at in self.positions.items()}
        self._replace(orjson.dumps({"place": self._place, "at": self.at, "chains": chains}))
        self.saved = True

    def _replace(self, content: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".cursor-", dir=self._path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def shipped_below(path: Path, places: Mapping[str, str]) -> Callable[[str], int]:
    """What tells of a chain the number of the first file that some target has not wholly.

    `places` are what is shipped to, by name. Blocks on small files.
    """

    def first(chain: str) -> int:
        lowest: list[int] = []
        for name, place in places.items():
            cursor = Cursor(path, name, place)
            cursor.load()
            lowest.append(cursor.positions.get(chain, Position()).number)
        return min(lowest)

    return first
