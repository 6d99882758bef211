"""Ships a record to one target, in a thread of its own: in batches, again until it works, from where the target is."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from mcp_gateway.envelopes.observability.audit.files import chains
from mcp_gateway.envelopes.observability.audit.shipping.cursor import Cursor
from mcp_gateway.envelopes.observability.audit.shipping.reading import Batch, Behind, Position, behind, read_batch
from mcp_gateway.envelopes.observability.audit.shipping.target import NotTaken, Target

EVERY_SECONDS: Final = 1.0
"""How often it is looked for what is new."""

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 15.0
SHARE: Final = 0.2
"""Most of a core that one target's thread takes: what waits long is not caught up with at the cost of calls."""

NO_TABLE: Final = "42P01"
"""PostgreSQL's code for a table that is not there."""

_log = structlog.get_logger("audit")


@dataclass(slots=True)
class Counts:
    """Since the start. `shipped`: records that were taken. `failures`: batches that were not. `missing`: records that
    were gone before they were shipped. `unreadable`: lines that are no records. `rejected`: records that the target
    refused for good."""

    shipped: int = 0
    failures: int = 0
    missing: int = 0
    unreadable: int = 0
    rejected: int = 0


class Shipper:
    """One target. `start` and `close` it, or ship what is there with `once`."""

    def __init__(self, path: Path, cursor: Cursor, target: Target) -> None:
        """`path` is the record's, all chains of which are shipped."""
        self.cursor = cursor
        self.counts = Counts()
        self.behind = Behind()
        self.failing = ""
        """A word for why the target takes nothing now, empty where it does."""
        self.elsewhere = False
        """Whether another process that has the same record is the one that ships. This one takes over from it."""
        self._path = path
        self._target = target
        self._lock: int | None = None
        self._closing = threading.Event()
        self._end = math.inf
        self._thread = threading.Thread(target=self._run, name=f"ship-{cursor.name}", daemon=True)

    @property
    def name(self) -> str:
        """The target's name."""
        return self.cursor.name

    def start(self) -> None:
        """Ship what is there, and what comes."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ship what is there once more, for so long at most, and end. Does not wait."""
        self._end = time.monotonic() + seconds
        self._closing.set()

    def join(self, patience: float) -> None:
        """Wait until it has ended, for at most `patience` seconds; what is left is shipped by the next process."""
        if self._thread.ident is not None:
            self._thread.join(patience)

    def once(self) -> bool:
        """Ship all that is there now; whether all was taken. What another process ships at the time is left to it."""
        try:
            return self._pass(share=1.0) and not (self.elsewhere and self.behind.bytes)
        finally:
            self._leave()

    def look(self) -> None:
        """See how far the target is, as it was kept. Raises `OSError`."""
        self.cursor.load()
        self._measure()

    def _run(self) -> None:
        pause = 0.0
        while True:
            last = self._closing.is_set()
            well = self._pass(share=SHARE)
            if last:
                break
            pause = 0.0 if well else min(max(FIRST_PAUSE, pause * 2), LONGEST_PAUSE)
            # Not all replicas at once, where a target comes back.
            self._closing.wait(random.uniform(pause / 2, pause) if pause else EVERY_SECONDS)
        self._leave()

    def _pass(self, share: float) -> bool:
        """Ship what is there. False if something did not work, or is not for this process to do."""
        try:
            if self._lock is None:
                self._lock = self.cursor.lock()
                self.elsewhere = self._lock is None
                self.cursor.load()
            if not self.cursor.saved:
                self.cursor.save()
            well = self.elsewhere or self._ship(share)
            if well:
                self._went()
            self._measure()
        except Exception as error:  # the outer edge of this thread: what is kept must not stay here for ever
            self._failed(type(error).__name__)
            return False
        return well

    def _ship(self, share: float) -> bool:
        more, measured = True, time.monotonic()
        while more:
            more = False
            if time.monotonic() - measured >= EVERY_SECONDS:  # catching up may take long
                self._measure()
                measured = time.monotonic()
            folders = chains(self._path)
            for folder in folders:  # in turn: one that is far behind keeps no other waiting
                if time.monotonic() > self._end:
                    return True
                started = time.thread_time()
                batch = read_batch(folder, self.cursor.positions.get(folder.name, Position()))
                if batch is None:
                    continue
                more = True
                if not self._send(folder.name, batch, [each.name for each in folders]):
                    return False
                self._closing.wait((time.thread_time() - started) * (1 / share - 1))
        return True

    def _send(self, chain: str, batch: Batch, present: Sequence[str]) -> bool:
        try:
            rejected = self._target.send(batch.items) if batch.items else 0
        except NotTaken as refused:
            self._failed(refused.kind)
            return False
        self.cursor.move(chain, batch.position, present)
        counts = self.counts
        counts.shipped += len(batch.items) - rejected
        self.cursor.save()
        self._went()
        if batch.missing or batch.unreadable or rejected:
            counts.missing += batch.missing
            counts.unreadable += batch.unreadable
            counts.rejected += rejected
            _log.error(
                "records are missing in a copy of the record",
                target=self.name,
                chain=chain,
                through=batch.position.seq,
                gone=batch.missing,
                unreadable=batch.unreadable,
                rejected=rejected,
            )
        return True

    def _went(self) -> None:
        if self.failing:
            _log.warning("the record of calls is shipped again", target=self.name)
            self.failing = ""

    def _failed(self, kind: str) -> None:
        self.counts.failures += 1
        if self.failing != kind:
            self.failing = kind
            hint = {"hint": "run `mcp-gateway migrate`"} if kind.endswith(NO_TABLE) else {}
            _log.warning("the record of calls is not shipped, will try again", target=self.name, kind=kind, **hint)

    def _measure(self) -> None:
        at = self.cursor.positions
        here = [behind(folder, at.get(folder.name, Position())) for folder in chains(self._path)]
        self.behind = sum(here, Behind())

    def _leave(self) -> None:
        self._target.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
