"""Alerts of budgets on their way to webhooks: beside requests, with retries, and never more than so many at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import orjson
import structlog

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher, Trust
from mcp_gateway.core.errors import UpstreamError
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets.rules import NANO
from mcp_gateway.envelopes.policy.budgets.settling import Crossed
from mcp_gateway.envelopes.policy.budgets.window import end_of

ATTEMPTS: Final = 6
SECONDS: Final = 10.0
"""For one attempt."""

DELAY: Final = 1.0
"""Seconds before the second attempt, at most; twice as many before each further one."""

MOST_PENDING: Final = 256
"""Alerts on their way. What comes beyond is dropped and counted."""

CLOSE_SECONDS: Final = 2.0

_AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))

_log = structlog.get_logger("budgets")


class Alerts:
    """Call it with what was crossed: it never waits and never raises. Every alert is in the log, too."""

    __slots__ = ("_allowed", "_delay", "_fetcher", "_most", "_random", "_tasks", "counts")

    def __init__(self, allowed: Allowed | None = None, *, delay: float = DELAY, most: int = MOST_PENDING) -> None:
        self._allowed = allowed
        self._delay = delay
        self._most = most
        # Made when there is something to send: most gateways have no webhooks.
        self._fetcher: Fetcher | None = None
        # Spreads repetitions; nothing secret hangs on it.
        self._random = random.Random()
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        """By budget and outcome: `sent`, `failed`, `dropped`; `logged` without a webhook."""

    def __call__(self, crossed: Crossed) -> None:
        budget = crossed.budget
        _log.warning("budget threshold", budget=budget.id, limit=crossed.limit.word, percent=crossed.percent)
        if budget.webhook is None:
            self.counts[budget.id, "logged"] += 1
        elif len(self._tasks) >= self._most:
            self.counts[budget.id, "dropped"] += 1
        else:
            sending = self._send(budget.id, budget.webhook, orjson.dumps(told(crossed, time.time())))
            task = asyncio.get_running_loop().create_task(sending)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def sent(self) -> None:
        """Wait until everything is sent or given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Send what is on its way, for some seconds."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._fetcher is not None:
            await self._fetcher.close()

    async def _send(self, budget: str, webhook: Secret, body: bytes) -> None:
        outcome, why = "failed", "closing"
        try:
            for attempt in range(ATTEMPTS):
                if attempt:
                    await asyncio.sleep(self._random.uniform(0, self._delay * 2 ** (attempt - 1)))
                done, why = await self._once(webhook, body)
                if done:
                    outcome = "sent" if not why else "failed"
                    break
        finally:
            self.counts[budget, outcome] += 1
            if outcome == "failed":
                _log.warning("budget alert not delivered", budget=budget, why=why)

    async def _once(self, webhook: Secret, body: bytes) -> tuple[bool, str]:
        """Whether that was all, and what went wrong. The address is secret, and so is what is answered there."""
        if self._fetcher is None:
            self._fetcher = Fetcher(self._allowed)
        headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
        try:
            answer = await self._fetcher.fetch(
                webhook.reveal(), trust=Trust.OPERATOR, method="POST", headers=headers, body=body, seconds=SECONDS
            )
        except UpstreamError as error:
            return False, error.reason
        if 200 <= answer.status < 300:
            return True, ""
        return answer.status not in _AGAIN, f"status {answer.status}"


def told(crossed: Crossed, now: float) -> dict[str, Any]:
    """What is posted. An alert that is sent twice, because an answer was lost, has one `id`."""
    limit = crossed.limit
    over = end_of(limit.window, crossed.number)
    names = (crossed.budget.id, limit.word, crossed.account, str(crossed.number), str(limit.most), str(crossed.percent))
    money = limit.kind == "cost"
    return {
        "event": "budget_threshold",
        "id": sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:32],
        "time": _iso(now),
        "budget": crossed.budget.id,
        "mode": "enforce" if crossed.budget.enforced else "audit",
        "limit": limit.word,
        "unit": "usd" if money else "tokens",
        "threshold_percent": crossed.percent,
        "spent": crossed.spent / NANO if money else crossed.spent,
        "most": limit.most / NANO if money else limit.most,
        "window_ends": None if over is None else _iso(over),
        "account": crossed.account,
    }


def _iso(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
