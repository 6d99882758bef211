"""The ledger's view of attempts at providers."""

from __future__ import annotations

from llm_proxy.asking import Ask, Attempt
from llm_proxy.spend.usage import Usage
from mcp_gateway.envelopes.observability.ledger.entry import Entry, entry_id
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger


class EnterAttempts:
    """Writes one entry for each attempt that was made. The last of a request is the one that it ended with."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __call__(self, ask: Ask) -> None:
        for attempt in ask.flow.attempts:
            self._enter(ask, attempt, last=attempt is ask.flow.attempts[-1])

    def _enter(self, ask: Ask, attempt: Attempt, *, last: bool) -> None:
        used = attempt.usage or Usage()
        self._ledger.write(
            Entry(
                id=entry_id(),
                at=attempt.started,
                request_id=ask.request_id,
                plane="llm",
                principal=ask.principal.id,
                teams=ask.principal.teams,
                server=ask.dialect.wire,
                asked=ask.asked.model,
                target=attempt.target,
                provider=attempt.provider,
                attempt=attempt.number,
                last=last,
                status=attempt.reason or "ok",
                input=used.input,
                output=used.output,
                cache_read=used.cache_read,
                cache_write=used.cache_write,
                reasoning=used.reasoning,
                cost=attempt.cost,
                seconds=attempt.duration,
                snapshot=ask.snapshot,
                metadata=ask.metadata,
            )
        )
