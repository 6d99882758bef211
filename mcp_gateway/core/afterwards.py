"""What a request leaves to do once it is answered, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple

Ts = TypeVarTuple("Ts")


def afterwards(work: Callable[[*Ts], object], *args: *Ts) -> None:
    """Run `work` in the next turn of the running loop.

    The task that asks for it goes on before: the answer that it writes without waiting for anything leaves first. In
    one loop it is done in the order in which it was asked for, and before whoever waits for the task goes on.
    """
    asyncio.get_running_loop().call_soon(work, *args)
