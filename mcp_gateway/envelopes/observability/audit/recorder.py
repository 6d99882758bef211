"""Writes the records of a process: as lines, and into a chain. What may change something waits for its intent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import structlog

from mcp_gateway.core.errors import AuditUnavailable
from mcp_gateway.core.spool.segments import sync
from mcp_gateway.envelopes.observability.audit.bodies import Body
from mcp_gateway.envelopes.observability.audit.chain import Chain, Counts
from mcp_gateway.envelopes.observability.audit.index import build
from mcp_gateway.envelopes.observability.audit.retention import Retention, remove
from mcp_gateway.envelopes.observability.audit.shipping.shipping import Shipping
from mcp_gateway.envelopes.observability.lines import LineSink

Sync = Literal["interval", "always"]
"""When records are made to outlive the machine: every `SYNC_SECONDS`, or an intent before its call is made."""

OnFailure = Literal["refuse", "allow"]
"""What becomes of calls that may change something while their intent cannot be recorded."""

SYNC_SECONDS: Final = 0.5
ANCHOR_SECONDS: Final = 10.0
RETENTION_SECONDS: Final = 600.0
DEADLINE: Final = 5.0
"""Longest that a call waits for the disk: it is refused then, and does not hang."""

_log = structlog.get_logger("audit")


class Recorder:
    """A `LineSink` whose records go to `lines` and into `chain`. Start it inside the running loop, close it there."""

    __slots__ = (
        "_anchored",
        "_chain",
        "_closing",
        "_failing",
        "_lines",
        "_on_failure",
        "_retention",
        "_scheduled",
        "_sync",
        "_synced",
        "_syncing",
        "_task",
        "_tidied",
        "body",
        "shipping",
    )

    def __init__(
        self,
        chain: Chain,
        lines: LineSink,
        *,
        sync: Sync = "interval",
        on_failure: OnFailure = "refuse",
        retention: Retention | None = None,
        body: Body | None = None,
        shipping: Shipping | None = None,
    ) -> None:
        """`body` is what is recorded of arguments and results; nothing if None. `shipping` makes copies of the chain,
        and is started and closed by whoever made it."""
        self._chain = chain
        self._lines = lines
        self._sync: Sync = sync
        self._on_failure: OnFailure = on_failure
        self._retention = retention
        self.body = body
        self.shipping = shipping
        self._scheduled = False
        self._syncing = asyncio.Lock()
        self._synced = True
        self._failing = False
        self._closing = asyncio.Event()
        self._anchored = self._tidied = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> Counts:
        """What was written and what was not, since the start."""
        return self._chain.counts

    @property
    def failing(self) -> bool:
        """Whether the record cannot be written now."""
        return self._failing or not self._synced

    def start(self) -> None:
        """Begin to sync, sign and tidy."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def write(self, record: Mapping[str, object]) -> None:
        """Record something that has happened; it is with the kernel after this turn of the loop."""
        self._lines.write(record)
        self._chain.append(record)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def intend(self, record: Mapping[str, object]) -> None:
        """Record what is about to be done. It outlives this process then, and with `always` the machine.

        Raises `AuditUnavailable` where that cannot be, unless such calls are allowed, which is counted.
        """
        if self._chain.lost():
            _log.error("a file of the record was removed", chain=self._chain.claim.chain)
        kept = self._chain.append(record) and self._flushed()
        if kept and self._sync == "always":
            kept = await self._sync_now()
        if kept and self._synced:
            return
        if self._on_failure == "refuse":
            self._chain.counts.refused += 1
            raise AuditUnavailable("the record of calls cannot be written: nothing is changed without it")
        self._chain.counts.allowed += 1

    async def close(self) -> None:
        """Write what waits, say that nothing follows, and let another process go on with the chain."""
        self._closing.set()
        if self._task is not None:
            await self._task
        await asyncio.to_thread(self._chain.close)

    def _flush(self) -> None:
        self._scheduled = False
        self._flushed()

    def _flushed(self) -> bool:
        done = self._chain.flush()
        if done == self._failing:
            self._failing = not done
            if done:
                _log.warning("the record of calls is written again", dropped=self._chain.counts.dropped)
            else:
                _log.error("the record of calls cannot be written", on_failure=self._on_failure)
        return done

    async def _sync_now(self) -> bool:
        try:
            # Whoever waits may be given up; what others rely on goes on.
            async with asyncio.timeout(DEADLINE):
                await asyncio.shield(asyncio.get_running_loop().create_task(self._sync_in_turn()))
        except TimeoutError:
            self._synced = False
            self._chain.counts.unsynced += 1
        return self._synced

    async def _sync_in_turn(self) -> None:
        async with self._syncing:
            if not self._chain.dirty:
                return  # who was before us has synced ours, too
            try:
                failed = await asyncio.to_thread(sync, self._chain.syncing())
            except OSError:
                failed = 1
            self._synced = not failed
            if failed:
                self._chain.counts.unsynced += 1
                self._chain.again()

    async def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), SYNC_SECONDS)
            moment = time.monotonic()
            if moment - self._anchored >= ANCHOR_SECONDS and self._chain.unanchored:
                self._anchored = moment
                self._chain.anchor()
            self._chain.lost()
            self._flushed()
            if not self._synced:
                self._chain.again()  # tried again until it works
            await self._sync_now()
            await self._tidy(moment)

    async def _tidy(self, moment: float) -> None:
        """Make indexes of files that are finished, and remove files that are not to be kept."""
        finished = tuple(self._chain.finished)
        self._chain.finished.clear()
        for path in finished:
            await asyncio.to_thread(_quietly, build, path)
        if self._retention is not None and (finished or moment - self._tidied >= RETENTION_SECONDS):
            self._tidied = moment
            with contextlib.suppress(OSError):
                gone = self._retention.announce(self._chain)
                if gone and await self._sync_now():
                    await asyncio.to_thread(remove, gone)


def _quietly(work: Callable[[Path], None], path: Path) -> None:
    """An index that cannot be made is searched for without."""
    with contextlib.suppress(OSError):
        work(path)
