"""All that identity keeps in one database, opened together: vault, registrations, flows, accounts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable, Problem
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.current import ensure_current
from mcp_gateway.core.state.database import SECONDS, Database
from mcp_gateway.envelopes.identity.accounts import StoredAccounts
from mcp_gateway.envelopes.identity.canary import check_keys
from mcp_gateway.envelopes.identity.envelope import Envelopes
from mcp_gateway.envelopes.identity.flows import StoredFlows
from mcp_gateway.envelopes.identity.registrations import StoredRegistrations
from mcp_gateway.envelopes.identity.rewrap import Rewrap
from mcp_gateway.envelopes.identity.vault import SealedVault

_BATCH: Final = 200
"""Data keys sealed anew in one transaction: some ten milliseconds of the one writer that SQLite has."""

_TEND_SECONDS: Final = 60.0
"""Between two looks for what there is to tidy up."""

_log = structlog.get_logger("vault")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Open it inside the running loop, close it there. `start` once if the process stays."""

    database: Database
    vault: SealedVault
    registrations: StoredRegistrations
    flows: StoredFlows
    accounts: StoredAccounts
    rewrap: Rewrap
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    async def open(cls, url: Secret, keys: Sequence[bytes], tenant: str, *, seconds: float = SECONDS) -> State:
        """The state at `url` with its tables current and its keys proved. `seconds` bounds each unit of work.

        Raises `ConfigurationError` if the database cannot be reached, is of another version, or if no key of
        `keys` opens what it holds. Nothing is changed then.
        """
        database = Database(url, seconds=seconds)
        envelopes = Envelopes(keys)
        try:
            await ensure_current(database, url)
            await check_keys(database, envelopes, tenant=tenant)
        except IdentityUnavailable:
            reason = "the database cannot be asked"
        except BaseException:
            await database.close()
            raise
        else:
            return cls(
                database=database,
                vault=SealedVault(database, envelopes, tenant=tenant),
                registrations=StoredRegistrations(database, envelopes, tenant=tenant),
                flows=StoredFlows(database, Sealer(keys, "flow"), tenant=tenant),
                accounts=StoredAccounts(database, tenant=tenant),
                rewrap=Rewrap(database, envelopes, tenant=tenant),
            )
        await database.close()
        raise ConfigurationError([Problem("state.database", 0, 0, reason, "the log names the kind of failure")])

    def start(self) -> None:
        """Tidy up in the background until `close`: data keys under old keys are sealed anew, old flows removed."""
        self._tasks.add(asyncio.get_running_loop().create_task(self._tend()))

    async def close(self) -> None:
        """Stop what `start` began and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.database.close()

    async def _tend(self) -> None:
        while True:
            with contextlib.suppress(IdentityUnavailable):  # it was logged, and there is a next time
                total = 0
                while seen := await self.rewrap.some(_BATCH):
                    total += seen
                if total:
                    _log.info("data keys sealed anew", rows=total)
                await self.flows.sweep()
            await asyncio.sleep(_TEND_SECONDS)
