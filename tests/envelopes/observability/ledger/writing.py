"""A process that writes entries until it is killed: prints the id of each one once it is kept."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.envelopes.observability.ledger.ledger import StoredLedger
from tests.envelopes.observability.ledger.support import TENANT, entry


async def main(url: str, folder: str) -> None:
    database = Database(Secret(url))
    ledger = StoredLedger(database, Path(folder), tenant=TENANT)
    ledger.start()
    number = 0
    while True:
        number += 1
        made = entry(metadata={"team": f"t{number % 3}"})
        ledger.write(made)
        sys.stdout.write(made.id + "\n")
        sys.stdout.flush()
        await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
