"""A PostgreSQL table, `mcp_audit`: a row for each record, once, whatever arrives again.

What stands in `line` is the record as it was written, and what is verified; other columns are for looking things up.
The role that ships needs INSERT on the table and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import kind_of
from mcp_gateway.core.state.engines import DRIVER_FAILURES, connector
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, NotTaken

SECONDS: Final = 10.0
"""The longest that a batch may take, connecting included."""

PAGE: Final = 2000

_TEXTS: Final = ("event", "request_id", "principal", "server", "upstream", "target", "model", "outcome", "reason")
_COLUMNS: Final = ("chain", "seq", "hash", "prev", "at", *_TEXTS, "line")
_TYPES: Final = ("text", "bigint", "text", "text", "timestamptz", *("text" for _ in _TEXTS), "text")

_INSERT: Final = (
    f"INSERT INTO mcp_audit (tenant, {', '.join(_COLUMNS)})"
    " SELECT $1, given.* FROM jsonb_to_recordset($2::jsonb) AS given("
    + ", ".join(f"{name} {kind}" for name, kind in zip(_COLUMNS, _TYPES, strict=True))
    + ") ON CONFLICT DO NOTHING"
)
"""One parameter for all rows: the driver takes many times as long to write each value by itself."""

_SELECT: Final = (
    "SELECT chain, seq, hash, line FROM mcp_audit WHERE tenant = $1 AND (chain, seq, hash) > ($2, $3, $4)"
    " ORDER BY chain, seq, hash LIMIT $5"
)


class PostgresTarget:
    """A `Target`. Its connection lives in an event loop of the thread that sends."""

    __slots__ = ("_connect", "_connection", "_runner", "_seconds", "_tenant")

    def __init__(self, url: Secret, *, tenant: str, seconds: float = SECONDS) -> None:
        self._connect = connector(url, seconds)
        self._seconds = seconds
        self._tenant = tenant
        self._runner: asyncio.Runner | None = None
        self._connection: Any = None

    def send(self, items: Sequence[Item]) -> int:
        """Insert the records that are not there yet."""
        self._run(_INSERT, self._tenant, orjson.dumps([_row(item) for item in items]).decode())
        return 0

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """All records that are there, chain by chain in their order: the chain and the line. Raises `NotTaken`."""
        at: tuple[str, int, str] = ("", 0, "")
        while rows := self._run(_SELECT, self._tenant, *at, PAGE):
            for chain, seq, digest, line in rows:
                at = (chain, seq, digest)
                yield chain, line.encode() + b"\n"

    def close(self) -> None:
        """Close the connection."""
        if self._runner is None:
            return
        self._drop()
        self._runner.close()
        self._runner = None

    def _run(self, statement: str, *arguments: object) -> list[Any]:
        """The rows of a statement, committed when it returns. Raises `NotTaken`, with nothing chained to it: what
        drivers raise quotes addresses and parameters."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(self._asked(statement, arguments))
        except DRIVER_FAILURES as error:
            kind = kind_of(error)
        self._drop()
        raise NotTaken(kind)

    async def _asked(self, statement: str, arguments: Sequence[object]) -> list[Any]:
        async with asyncio.timeout(self._seconds):
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            found: list[Any] = await self._connection.fetch(statement, *arguments)
            return found

    def _drop(self) -> None:
        """Not to be used again: nobody knows what state it is in, or whether it is still the server to talk to."""
        connection, self._connection = self._connection, None
        if connection is not None and self._runner is not None:
            self._runner.run(_terminated(connection))


async def _terminated(connection: Any) -> None:
    connection.terminate()


def _row(item: Item) -> dict[str, object]:
    row: dict[str, object] = {name: item.text(name) for name in _TEXTS}
    row |= {"chain": item.chain, "seq": item.seq, "hash": item.hash, "prev": item.prev, "at": item.time}
    row["line"] = item.line
    return row
