"""A lock on a file that the kernel releases, however its process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def locked(path: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock of `path`, None if somebody else does and `wait` is false. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
