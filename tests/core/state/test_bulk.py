"""Many rows at once: all of them, whatever their number, and with few statements to prepare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.bulk import InsertMany
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import SPEND

TEXTS = ("digest", "plane", "principal", "teams", "server", "asked", "target", "provider", "status")
NUMBERS = ("hour", "requests", "attempts", "input", "output", "cost", "unpriced")


def rows(start: int, count: int) -> list[dict[str, Any]]:
    same = {**dict.fromkeys(TEXTS, "x"), **dict.fromkeys(NUMBERS, 1), "metadata": {"team": "a"}}
    return [{**same, "digest": f"{number:06d}"} for number in range(start, start + count)]


async def test_rows_of_any_number_are_all_there_and_told_once(state_url: Secret) -> None:
    database = Database(state_url)
    prepared: set[str] = set()
    event.listen(database._engine.sync_engine, "before_cursor_execute", lambda *given: prepared.add(given[2]))
    insert = InsertMany(database, SPEND, "ON CONFLICT DO NOTHING RETURNING digest")
    start = 0
    for count in (1, 7, 8, 9, 127, 128, 129, 300, 301, 302, 500):
        given = rows(start, count)

        async def put(on: AsyncConnection, given: Sequence[dict[str, Any]] = given) -> list[Any]:
            return await insert(on, "t", given)

        assert sorted(await database.write(put)) == [row["digest"] for row in given]
        assert await database.write(put) == []
        start += count
    assert len([each for each in prepared if each.startswith("INSERT")]) <= 4
    await database.close()
