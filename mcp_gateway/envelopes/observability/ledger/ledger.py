"""The ledger: what was used and what it cost, written off the path of requests and not lost on the way.

An entry goes to the spool, files on this machine, before `write` returns, and from there to the database: a process
that is killed loses none, a database that is down delays them. See `core.spool`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.spool.drain import Drain, Sync, Undelivered
from mcp_gateway.core.spool.spool import MAX_BYTES, Spool
from mcp_gateway.core.state.database import Database
from mcp_gateway.envelopes.observability.ledger.entry import Entry, write_entry
from mcp_gateway.envelopes.observability.ledger.rows import Rows


class Ledger(Protocol):
    """Takes entries; never waits, never raises."""

    def write(self, entry: Entry) -> None: ...

    async def settled(self) -> None:
        """Wait until all that was written, also by an earlier process, is where it is looked up.

        Raises `IdentityUnavailable`.
        """
        ...


class StoredLedger:
    """A `Ledger` in the state database. Make and start it inside the running loop, close it before the database."""

    __slots__ = ("drain", "rows")

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        tenant: str,
        sync: Sync = "interval",
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`folder` holds the spool, at most `max_bytes` of it. Raises `OSError` if it cannot be written to."""
        self.rows = Rows(database, tenant=tenant)
        spool = Spool.open(folder, max_bytes=max_bytes)
        self.drain = Drain("ledger", spool, self.rows.put, sync=sync)

    def start(self) -> None:
        """Deliver what an earlier process left, and what comes."""
        self.drain.start()

    def write(self, entry: Entry) -> None:
        """Keep `entry`; it outlives this process. Where there is no room left for it, it is dropped and counted."""
        self.drain.append(write_entry(entry))

    async def settled(self) -> None:
        """Wait until the database has all that is in the spool. Raises `IdentityUnavailable`."""
        try:
            await self.drain.emptied()
        except Undelivered:
            raise IdentityUnavailable("The ledger cannot be written to the gateway's database now.") from None

    async def close(self) -> None:
        """Deliver what is there; what is left after some seconds is delivered by the next process."""
        await self.drain.close()


class MemoryLedger:
    """A `Ledger` that keeps its entries, for tests and embedding."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def settled(self) -> None:
        """Nothing is elsewhere."""
