"""Appending to numbered files of a folder: what a spool and a chain of the audit record both write by.

What `write` took is with the kernel: it outlives this process, however that ends. `syncing` gives what it takes to
make it outlive the machine. One thread writes; syncing may happen in others. What a record is, only the owner knows:
it says how much has to fit into one file, and cuts off what the disk took of a record by half.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


class SegmentWriter:
    """Begins a file when there is something to write, and another one when the present one is full.

    `retired` is told of each file that is appended to no more.
    """

    __slots__ = (
        "_active",
        "_dirty",
        "_folder",
        "_path",
        "_retired",
        "_segment_bytes",
        "_suffix",
        "_tell",
        "next",
        "size",
    )

    def __init__(
        self,
        folder: Path,
        suffix: str,
        segment_bytes: int,
        *,
        number: int = 1,
        retired: Callable[[Path], object] = lambda path: None,
    ) -> None:
        self._folder = folder
        self._suffix = suffix
        self._segment_bytes = segment_bytes
        self._tell = retired
        self._active: int | None = None
        self._path = folder
        self._retired: list[int] = []
        self._dirty = False
        self.next = number
        """The number of the next file."""
        self.size = 0
        """Bytes in the present file."""

    @property
    def path(self) -> Path | None:
        """The file that is written, if one is open."""
        return None if self._active is None else self._path

    @property
    def dirty(self) -> bool:
        """Whether there is something to sync."""
        return self._dirty or bool(self._retired)

    def room(self, more: int) -> Path | None:
        """See to it that `more` bytes go into one file; that file, if it was begun for them. Raises `OSError`."""
        if self._active is not None and self.size and self.size + more > self._segment_bytes:
            self.retire()
        if self._active is not None:
            return None
        path = numbered(self._folder, self.next, self._suffix)
        self._active = os.open(path, _FLAGS, 0o600)
        self._path, self.size = path, 0
        self.next += 1
        return path

    def write(self, data: bytes) -> int:
        """Append; how many bytes the disk took. Raises `OSError` where it took none."""
        assert self._active is not None
        written = os.write(self._active, data)
        if not written:
            raise OSError("nothing was written")
        self._dirty = True
        self.size += written
        return written

    def cut(self, size: int) -> bool:
        """Take off what stands behind `size` bytes. Where that cannot be, the file is appended to no more."""
        if self._active is None:
            return False
        try:
            os.ftruncate(self._active, size)
        except OSError:
            self.retire()
            return False
        self._dirty = True
        self.size = size
        return True

    def retire(self) -> None:
        """Append to the present file no more."""
        if self._active is not None:
            self._retired.append(self._active)
            self._active = None
            self._tell(self._path)

    def gone(self) -> bool:
        """Whether the file that is written was taken away."""
        return self._active is not None and os.fstat(self._active).st_nlink == 0

    def again(self) -> None:
        """A sync failed: what it was for may not be on the disk, and is not believed to be after another one."""
        self._dirty = True
        self.retire()

    def syncing(self, *more: int | None) -> list[int]:
        """Descriptors that have to be synced and closed, by `sync`, for all that was written to be on the disk.

        `more` are others to be synced with them. Raises `OSError`; nothing is forgotten then.
        """
        found: list[int] = []
        if self._dirty:
            try:
                found.append(os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC))
                found.extend(os.dup(each) for each in (self._active, *more) if each is not None)
            except OSError:
                _close(found)
                raise
        found += self._retired
        self._retired, self._dirty = [], False
        return found

    def close(self) -> None:
        """Let go of all files, synced or not."""
        _close(self._retired if self._active is None else [*self._retired, self._active])
        self._active, self._retired = None, []


def numbered(folder: Path, number: int, suffix: str) -> Path:
    """The file of a number: files stand in their order by name."""
    return folder / f"{number:012d}{suffix}"


def sync(descriptors: Sequence[int]) -> int:
    """Sync and close what `SegmentWriter.syncing` gave; how many failed. Waits for the disk."""
    failed = 0
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError:
            failed += 1
        finally:
            os.close(descriptor)
    return failed


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
