"""What guardrails have that outlives every snapshot: threads, connections, circuits, tallies."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.envelopes.safety.configure import Configured, Fault, FileSpec, configure
from mcp_gateway.envelopes.safety.engine import Engine, GuardTallies
from mcp_gateway.envelopes.safety.workers import Workers

_MAKERS: Final = "mcp_gateway.envelopes.safety.makers"
"""Loaded by name, only where guardrails are configured: parsers of SQL and tables of secrets are 30 MB of memory and a
third of a second (docs/decisions/006 says the same of Redis)."""


class BadGuardrails(Exception):
    """What is wrong with the guardrails of a configuration."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


class Safeguard:
    """Builds the guardrails of a configuration, once for all snapshots of it."""

    __slots__ = ("_allowed", "_built", "_fetcher", "_workers", "engine", "tallies")

    def __init__(self, allowed: Allowed | None = None) -> None:
        """Guards that are asked over HTTP may be at what `allowed` says, besides the public internet."""
        self._allowed = allowed
        self.tallies = GuardTallies()
        self.engine = Engine(self.tallies)
        self._workers = Workers()
        self._fetcher: Fetcher | None = None
        self._built: tuple[FileSpec, bool, Configured] | None = None

    def configured(self, spec: FileSpec, *, governed: bool) -> Configured:
        """The guardrails of `spec`, which are those that there are if they are the same; `governed` if the gateway has
        policies. Raises `BadGuardrails`.
        """
        # A reload reads the same again, and models take seconds to load.
        if (
            self._built is not None
            and self._built[1] is governed
            and (self._built[0] is spec or self._built[0] == spec)
        ):
            return self._built[2]
        if self._fetcher is None:
            self._fetcher = Fetcher(self._allowed)
        made = import_module(_MAKERS).makers(self._workers, self._fetcher)
        found, faults = configure(spec, made, governed=governed)
        if found is None:
            raise BadGuardrails(faults)
        self._built = (spec, governed, found)
        return found

    async def close(self) -> None:
        """Let go of threads and connections."""
        self._workers.close()
        if self._fetcher is not None:
            await self._fetcher.close()
