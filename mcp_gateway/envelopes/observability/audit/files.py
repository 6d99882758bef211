"""Where chains lie: a folder for each, in it files of records in their order, an index for each, the head, a lock.

<path>/<chain>/000000000001.jsonl     records, the oldest first
               000000000001.index     which requests they are of; made again if absent
               head                   the last record, signed
               lock                   held by the process that writes
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_gateway.core.filelock import locked

RECORDS: Final = ".jsonl"
INDEX: Final = ".index"
HEAD: Final = "head"
_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class Claim:
    """A chain that is ours to write while `lock` is open."""

    folder: Path
    lock: int

    @property
    def chain(self) -> str:
        """The chain's name."""
        return self.folder.name

    def leave(self) -> None:
        """Let another process go on with it."""
        os.close(self.lock)


def chains(path: Path) -> Sequence[Path]:
    """The folders of all chains below `path`, or `path` itself if it is one."""
    if not path.is_dir():
        return []
    if (path / _LOCK).exists() or (path / HEAD).exists():
        return [path]
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def segments(folder: Path) -> Sequence[Path]:
    """The files of a chain, the oldest first."""
    return sorted(each for each in folder.iterdir() if each.suffix == RECORDS)


def number_of(path: Path) -> int:
    """The number of a file; 0 for one that has another name than ours."""
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() else 0


def claim(path: Path) -> tuple[Claim, Sequence[Claim]]:
    """A chain to write, and those that others left. The first of these is gone on with, if there are any.

    Whoever holds a claim leaves it. Raises `OSError`.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One at a time: a folder that was just made, and is about to be locked, must not be taken for one that was left.
    door = locked(path / f".{_LOCK}", wait=True)
    assert door is not None
    try:
        left = [Claim(each, lock) for each in chains(path) if (lock := locked(each / _LOCK, wait=False)) is not None]
        if left:
            return left[0], left[1:]
        folder = path / secrets.token_hex(6)
        folder.mkdir(mode=0o700)
        lock = locked(folder / _LOCK, wait=False)
        assert lock is not None
        return Claim(folder, lock), ()
    finally:
        os.close(door)


def is_written(folder: Path) -> bool:
    """Whether a process is at work on the chain."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
