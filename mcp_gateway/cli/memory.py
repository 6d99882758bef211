"""How much memory a gateway keeps, and how often it is looked through."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_ALLOCATIONS: Final = 20_000
_OLDER: Final = 20

_ARENAS: Final = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""


def share_heap() -> bool:
    """Have all threads that begin from now on share one heap (mallopt(3)); False where the C library has no such thing.

    glibc gives threads heaps of their own so that they need not wait for each other, and each heap keeps the most that
    it ever held. Threads that take turns at the interpreter seldom wait: here that costs megabytes and gains nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_ARENAS, 1) == 1


def settle() -> None:
    """What start-up made stays: the collector need not look at it again, nor look so often at what requests make."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, _OLDER, _OLDER)
