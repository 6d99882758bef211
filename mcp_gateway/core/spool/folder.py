"""Whose files are whose: each process that writes has a folder of its own, locked as long as it lives.

Several may share one folder (replicas on one machine, an old process that ends beside a new one that starts). Whoever
comes takes over the files of those that are gone: the kernel releases the lock of a process however it ends.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_gateway.core.filelock import locked
from mcp_gateway.core.spool.segments import numbered

_LOCK: Final = "lock"
SUFFIX: Final = ".spool"


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder that is ours while `lock` is open, and the files of others that were moved into it, oldest first."""

    path: Path
    lock: int
    found: tuple[Path, ...]


def claim(folder: Path) -> Claim:
    """A folder of our own inside of `folder`, with the files of all that are gone. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One at a time: a folder that was just made, and is about to be locked, must not be taken for one that was left.
    door = locked(folder / _LOCK, wait=True)
    assert door is not None
    try:
        path = folder / f"w{secrets.token_hex(8)}"
        path.mkdir(mode=0o700)
        lock = locked(path / _LOCK, wait=False)
        assert lock is not None
        try:
            return Claim(path, lock, tuple(_adopt(folder, path)))
        except OSError:
            os.close(lock)
            raise
    finally:
        os.close(door)


def leave(claim: Claim) -> None:
    """Give the folder up; it goes if no files are left in it."""
    if not list(claim.path.glob(f"*{SUFFIX}")):
        with contextlib.suppress(OSError):
            (claim.path / _LOCK).unlink(missing_ok=True)
            claim.path.rmdir()
    os.close(claim.lock)


def _adopt(folder: Path, own: Path) -> list[Path]:
    """Move what others left into `own`. A file is moved in one step: a crash in between loses nothing."""
    moved: list[Path] = []
    for other in sorted(path for path in folder.iterdir() if path.is_dir() and path != own):
        lock = locked(other / _LOCK, wait=False)
        if lock is None:
            continue
        for file in sorted(other.glob(f"*{SUFFIX}")):
            target = numbered(own, len(moved) + 1, SUFFIX)
            file.rename(target)
            moved.append(target)
        with contextlib.suppress(OSError):
            (other / _LOCK).unlink(missing_ok=True)
            other.rmdir()
        os.close(lock)
    return moved
