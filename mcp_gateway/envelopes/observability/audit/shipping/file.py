"""A file that records are appended to, a line each: on another disk, or where something else collects it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mcp_gateway.core.filelock import locked
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, NotTaken

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_BLOCK: Final = 64 * 1024


class FileTarget:
    """A `Target`. The file is opened for each batch: one that was moved away, by what rotates it, is begun anew."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, items: Sequence[Item]) -> int:
        """Append the records, on the disk when it returns."""
        data = "".join(f"{item.line}\n" for item in items).encode()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The lock is beside the file, which may be moved away: several gateways may ship to one.
            lock = locked(self._path.with_name(f".{self._path.name}.lock"), wait=True)
            assert lock is not None
            try:
                self._append(data)
            finally:
                os.close(lock)
        except OSError as error:
            raise NotTaken(type(error).__name__) from None
        return 0

    def close(self) -> None:
        """Nothing is open."""

    def _append(self, data: bytes) -> None:
        file = os.open(self._path, _FLAGS, 0o600)
        try:
            size = _whole(file)
            try:
                _write(file, data)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _whole(file: int) -> int:
    """The size of the file without half a line that a killed process left, which is taken off."""
    size = at = os.lseek(file, 0, os.SEEK_END)
    while at > 0:
        begin = max(0, at - _BLOCK)
        found = os.pread(file, at - begin, begin).rfind(b"\n")
        if found >= 0:
            at = begin + found + 1
            break
        at = begin
    if at < size:
        os.ftruncate(file, at)
    return at
