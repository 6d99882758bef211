"""Entries in the database: each one once, and the sums of each hour with it in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.state.bulk import InsertMany
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import LEDGER, SPEND
from mcp_gateway.envelopes.observability.ledger.entry import read_entry

HOUR: Final = 3600

_TEXTS: Final = ("plane", "principal", "teams", "server", "asked", "target", "provider", "status")
_BY: Final = (*_TEXTS, "metadata")
_SUMS: Final = ("requests", "attempts", "input", "output", "cost", "unpriced")

_texts_of = itemgetter(*_TEXTS)

_log = structlog.get_logger("ledger")


class Rows:
    """Writes entries. Those that are there already change nothing."""

    __slots__ = ("_add", "_database", "_insert", "_tenant", "unreadable")

    def __init__(self, database: Database, *, tenant: str) -> None:
        self._database = database
        self._insert = InsertMany(database, LEDGER, "ON CONFLICT DO NOTHING RETURNING id")
        added = ", ".join(f"{name} = mcp_spend.{name} + excluded.{name}" for name in _SUMS)
        self._add = InsertMany(database, SPEND, f"ON CONFLICT (tenant, hour, digest) DO UPDATE SET {added}")
        self._tenant = tenant
        self.unreadable = 0

    async def put(self, payloads: Sequence[bytes]) -> None:
        """Write what `write_entry` gave. Raises `IdentityUnavailable`: all of it is to be given again then."""
        rows: dict[str, dict[str, Any]] = {}
        for payload in payloads:
            row = read_entry(payload)
            if row is None:
                self.unreadable += 1
                _log.error("an entry of the ledger is of another version and was left out")
            else:
                rows[row["id"]] = row
        if rows:
            await self._database.write(lambda on: self._put(on, rows))

    async def _put(self, on: AsyncConnection, rows: Mapping[str, dict[str, Any]]) -> None:
        # Only what was not there is counted: what is given again, or by two at once, is there or waits to be.
        found = await self._insert(on, self._tenant, list(rows.values()))
        sums = sums_of(rows[each] for each in found)
        if sums:
            await self._add(on, self._tenant, sums)


def sums_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `mcp_spend` that `rows` of the ledger add up to, in one order: writers never wait in a circle."""
    found: dict[tuple[int, tuple[str, ...], tuple[tuple[str, str], ...]], dict[str, Any]] = {}
    for row in rows:
        # By the values: a digest is made once for each group, and not for each row of it.
        told = row["metadata"]
        key = (int(row["at"]) // HOUR, _texts_of(row), tuple(sorted(told.items())) if told else ())
        into = found.get(key)
        if into is None:
            by = {name: row[name] for name in _BY}
            into = found[key] = {"hour": key[0], "digest": _digest(by), **by}
            into |= dict.fromkeys(_SUMS, 0)
        into["requests"] += row["last"]
        into["attempts"] += 1
        into["input"] += row["input"]
        into["output"] += row["output"]
        into["cost"] += row["cost"] or 0
        into["unpriced"] += row["cost"] is None
    return sorted(found.values(), key=lambda into: (into["hour"], into["digest"]))


def _digest(by: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(by, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
