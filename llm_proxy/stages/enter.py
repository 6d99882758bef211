"""The ledger's view of attempts at providers."""

from __future__ import annotations

from typing import Final

from llm_proxy.asking import Ask, Attempt
from llm_proxy.spend.usage import Usage
from mcp_gateway.envelopes.observability.ledger.entry import Entry, entry_id
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger

_UNUSED: Final = Usage()


class EnterAttempts:
    """Writes one entry for each attempt that was made. The last of a request is the one that it ended with."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __call__(self, ask: Ask) -> None:
        attempts = ask.flow.attempts
        for attempt in attempts:
            self._enter(ask, attempt, last=attempt is attempts[-1])

    def _enter(self, ask: Ask, attempt: Attempt, *, last: bool) -> None:
        input, output, cache_read, cache_write, reasoning = attempt.usage or _UNUSED
        principal = ask.principal
        self._ledger.write(
            Entry(
                entry_id(),
                attempt.started,
                ask.request_id,
                "llm",
                principal.id,
                ask.dialect.wire,
                ask.asked.model,
                attempt.target,
                attempt.provider,
                principal.teams,
                attempt.number,
                last,
                attempt.reason or "ok",
                input,
                output,
                cache_read,
                cache_write,
                reasoning,
                attempt.cost,
                attempt.duration,
                ask.snapshot,
                ask.metadata,
            )
        )
