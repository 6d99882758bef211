"""Entries, and what of them is in a database."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import select

from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import LEDGER, SPEND
from mcp_gateway.envelopes.observability.ledger.entry import Entry, entry_id

TENANT = "default"


def entry(**changed: Any) -> Entry:
    """An attempt at a provider that went well."""
    values: dict[str, Any] = {
        "id": entry_id(),
        "at": time.time(),
        "request_id": "r1",
        "plane": "llm",
        "principal": "corp|alice",
        "teams": ("payments",),
        "server": "chat",
        "asked": "prod/assistant",
        "target": "openai-main/gpt-4o-mini",
        "provider": "openai-main",
        "input": 1000,
        "output": 100,
        "cost": 210_000,
    }
    return Entry(**(values | changed))


async def ledger_rows(database: Database) -> list[dict[str, Any]]:
    """All rows, in the order of their ids."""
    found = await database.read(lambda on: on.execute(select(LEDGER).order_by(LEDGER.c.id)))
    return [dict(row) for row in found.mappings()]


async def spend_rows(database: Database) -> list[dict[str, Any]]:
    """All sums."""
    found = await database.read(lambda on: on.execute(select(SPEND).order_by(SPEND.c.hour, SPEND.c.digest)))
    return [dict(row) for row in found.mappings()]
