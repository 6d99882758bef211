"""Delivers what a spool holds, in the background: in batches, again until it works, and synced as configured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import structlog

from mcp_gateway.core.spool.segments import sync
from mcp_gateway.core.spool.spool import Batch, Spool

Sync = Literal["interval", "always"]
"""When records are made to outlive the machine: every `SYNC_SECONDS`, or as soon as the disk can."""

Deliver = Callable[[Sequence[bytes]], Awaitable[None]]
"""Takes a batch over for good, or raises; it gets the same records again then, and may get some of them again
after a crash."""

SYNC_SECONDS: Final = 0.5
LINGER_SECONDS: Final = 0.2
"""Records are gathered for so long before they are delivered: one transaction for many."""

BATCH: Final = 512
"""As many as go into a few statements of the largest size that `state.bulk` has, with nothing left over."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0

_log = structlog.get_logger("spool")


class Undelivered(Exception):
    """What is in a spool could not be delivered now; it stays there."""


class Drain:
    """Start it inside the running loop, close it there. `append` from there, too."""

    __slots__ = (
        "_closing",
        "_deliver",
        "_dirty",
        "_linger",
        "_sync",
        "_syncing",
        "_tasks",
        "_told",
        "_waiting",
        "_wake",
        "name",
        "spool",
    )

    def __init__(
        self, name: str, spool: Spool, deliver: Deliver, *, sync: Sync = "interval", linger: float = LINGER_SECONDS
    ) -> None:
        """`name` is what logs call it."""
        self.name = name
        self.spool = spool
        self._deliver = deliver
        self._sync: Sync = sync
        self._linger = linger
        self._wake, self._dirty, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._syncing = asyncio.Lock()
        self._told = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        """Deliver what was found, and what comes."""
        self._wake.set()
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self._run()), loop.create_task(self._run_sync()))

    def append(self, payload: bytes) -> bool:
        """Keep a record; False if it was dropped and counted. Never waits, never raises."""
        kept = self.spool.append(payload)
        self._wake.set()
        self._dirty.set()
        return kept

    async def emptied(self) -> None:
        """Wait until nothing is left to deliver. Raises `Undelivered` when a delivery fails, or none comes any more."""
        if self.spool.due(1) is None:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wake.set()
        await waiter

    async def synced(self) -> bool:
        """Wait until all that was appended outlives the machine; False if it does not. Many may wait for one sync."""
        async with self._syncing:
            failed = await asyncio.to_thread(sync, self.spool.syncing())
        self.spool.counts.unsynced += failed
        return not failed and not self.spool.in_memory

    async def close(self, seconds: float = 5.0) -> None:
        """Deliver what is there, for at most `seconds`; what is left is delivered by the next process."""
        self._closing.set()
        self._wake.set()
        self._dirty.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = ()
        self._answer(Undelivered())
        self._tell()
        await asyncio.to_thread(self.spool.close)

    async def _run(self) -> None:
        pause = 0.0
        while True:
            await self._wake.wait()
            await self._rest(self._linger)
            self._wake.clear()
            self.spool.settle()
            while not await self._some():
                self._answer(Undelivered())
                pause = min(max(_FIRST_PAUSE, pause * 2), _LONGEST_PAUSE)
                await self._rest(pause)
                if self._closing.is_set():
                    await asyncio.sleep(_FIRST_PAUSE)
                self.spool.settle()
            pause = 0.0
            self._tell()
            if self.spool.due(1) is None:
                self._answer(None)
                if self._closing.is_set():
                    return

    async def _some(self) -> bool:
        """Deliver what is there, as long as it comes in whole batches. False if that did not work."""
        while True:
            try:
                batch = await self._next()
                if batch is None:
                    return True
                if batch.payloads:
                    await self._deliver(batch.payloads)
            except Exception as error:  # the outer edge of this task: what was kept must not stay here for ever
                _log.warning("not delivered, will try again", spool=self.name, kind=type(error).__name__)
                return False
            self.spool.done(batch)
            if len(batch.payloads) < BATCH:
                # What came meanwhile is gathered again: a steady trickle must not become a transaction for each record.
                self._wake.set()
                return True

    async def _next(self) -> Batch | None:
        batch = self.spool.at_hand(BATCH)
        if batch is not None:
            return batch
        reading = self.spool.due(BATCH)
        return None if reading is None else await asyncio.to_thread(reading)

    def _answer(self, failure: Undelivered | None) -> None:
        """Let those go on who wait for the spool to be empty."""
        for waiter in self._waiting:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
        self._waiting.clear()

    async def _rest(self, seconds: float) -> None:
        """Wait, but not once it is to close."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _run_sync(self) -> None:
        while not self._closing.is_set():
            await self._dirty.wait()
            if self._sync == "interval":
                await self._rest(SYNC_SECONDS)
            self._dirty.clear()
            await self.synced()

    def _tell(self) -> None:
        """Say what was lost since it was last said."""
        counts = self.spool.counts
        lost = counts.dropped + counts.lost_bytes + counts.unsynced
        if lost != self._told:
            self._told = lost
            _log.error(
                "records were lost",
                spool=self.name,
                dropped=counts.dropped,
                lost_bytes=counts.lost_bytes,
                unsynced=counts.unsynced,
            )
