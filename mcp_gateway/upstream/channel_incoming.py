"""What an upstream sends of its own accord on a channel: notifications and requests, and whom they belong to.

A channel has no streams that would tell one caller's messages from another's. What names its request
(progress, subscriptions) goes there; what does not goes to the only request that can take it, or nowhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Final

import structlog

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.core.strictjson import JsonError, dumps
from mcp_gateway.upstream.channel_duplex import Duplex, EventHook
from mcp_gateway.upstream.channel_inflight import LISTEN, InFlight, Pending
from mcp_gateway.upstream.handshake import (
    PROGRESS_TOKEN,
    passes,
    subscription_of,
    without_subscription,
    without_token,
)
from mcp_gateway.upstream.wire import AskHook

METHOD_NOT_FOUND: Final = -32601
INTERNAL_ERROR: Final = -32603
INVALID_REQUEST: Final = -32600
ASKABLE: Final = frozenset({"sampling/createMessage", "elicitation/create", "roots/list"})
MAX_ASKS: Final = 64
"""Questions of one upstream that may be open at once."""

_log = structlog.get_logger("upstream.channel")


class Incoming:
    """Routes notifications and answers requests. `dropped` counts what found no taker, by reason."""

    __slots__ = ("_asks", "_duplex", "_inflight", "_on_event", "_upstream", "answers_requests", "dropped")

    def __init__(
        self, duplex: Duplex, inflight: InFlight, on_event: EventHook, upstream: str, dropped: Counter[str]
    ) -> None:
        self.answers_requests = True
        """False in the modern era, where a server has no requests to make."""
        self.dropped = dropped
        self._duplex = duplex
        self._inflight = inflight
        self._on_event = on_event
        self._upstream = upstream
        self._asks: dict[str | int, asyncio.Task[None]] = {}

    # ------------------------------------------------------------ notifications

    def notification(self, method: str, params: Json) -> None:
        """Hand a notification to the request it belongs to, or to the event hook."""
        subscription = subscription_of(params)
        if subscription is not None:
            self._subscribed(subscription, method, params)
        elif method == "notifications/progress":
            self._progress(params)
        elif method == "notifications/message":
            self._message(params)
        elif method == "notifications/cancelled":
            self._cancelled(params.get("requestId"))
        else:
            self._on_event(method, params)

    def _subscribed(self, subscription: object, method: str, params: Json) -> None:
        pending = self._inflight.find(subscription)
        if pending is None or pending.method != LISTEN or pending.exchange.notify is None:
            self.dropped["subscription"] += 1
        elif method == "notifications/cancelled":
            pending.succeed({"resultType": "complete"})
        else:
            pending.exchange.notify(method, without_subscription(params))

    def _progress(self, params: Json) -> None:
        pending = self._inflight.find(params.get(PROGRESS_TOKEN))
        if pending is None or not pending.exchange.progress or pending.exchange.notify is None:
            self.dropped["progress"] += 1
        else:
            pending.exchange.notify("notifications/progress", without_token(params))

    def _message(self, params: Json) -> None:
        pending = self._inflight.only_log_reader()
        if pending is None or pending.exchange.notify is None:
            self.dropped["message"] += 1
        elif passes(params.get("level"), pending.exchange.log_level):
            pending.exchange.notify("notifications/message", params)

    def _cancelled(self, number: object) -> None:
        task = self._asks.pop(number, None) if isinstance(number, str | int) and number is not True else None
        if task is not None:
            task.cancel()
        elif (pending := self._inflight.find(number)) is not None and pending.method == LISTEN:
            pending.succeed({"resultType": "complete"})
        else:
            self.dropped["cancelled"] += 1

    # ------------------------------------------------------------ requests

    def request(self, number: object, method: str, params: Json) -> None:
        """Answer a request of the upstream, now or when the caller it concerns has answered."""
        if type(number) is not int and type(number) is not str:
            self.dropped["malformed"] += 1
            return
        if method == "ping":
            self._reply(number, {"result": {}})
            return
        pending = self._inflight.only_asker() if self.answers_requests and method in ASKABLE else None
        if pending is None or pending.exchange.ask is None:
            self._refuse(number, METHOD_NOT_FOUND, "Method not found")
        elif number in self._asks:
            self._refuse(number, INVALID_REQUEST, "The id is in use")
        elif len(self._asks) >= MAX_ASKS:
            self._refuse(number, INTERNAL_ERROR, "Too many requests are open")
        else:
            task = asyncio.get_running_loop().create_task(
                self._ask(number, method, params, pending, pending.exchange.ask)
            )
            self._asks[number] = task
            pending.asks.add(task)
            task.add_done_callback(partial(self._asked, number, pending))

    def end(self) -> None:
        """The channel is gone: nobody waits for answers any more."""
        asks, self._asks = self._asks, {}
        for task in asks.values():
            task.cancel()

    def _asked(self, number: str | int, pending: Pending, task: asyncio.Task[None]) -> None:
        pending.asks.discard(task)
        # The upstream's own cancellation has taken the number out, and then no answer is wanted.
        if self._asks.pop(number, None) is not None and task.cancelled():
            self._refuse(number, INTERNAL_ERROR, "The request that this one belonged to has ended")

    async def _ask(self, number: str | int, method: str, params: Json, pending: Pending, ask: AskHook) -> None:
        answer: Json
        try:
            answer = {"result": await ask(method, params)}
        except Rejected as error:
            answer = _error(error.code, error.message, error.data, has_data=error.has_data)
        except GatewayError as error:
            answer = _error(INTERNAL_ERROR, error.message)
        except Exception as error:  # the outer edge of this task: the upstream must not wait for ever
            _log.error("ask_failed", upstream=self._upstream, method=method, error=type(error).__name__)
            answer = _error(INTERNAL_ERROR, "Internal error")
        await self._answer(number, answer, pending.exchange.deadline)

    async def _answer(self, number: str | int, answer: Json, deadline: float) -> None:
        try:
            await self._duplex.send(dumps({"jsonrpc": "2.0", "id": number, **answer}), deadline)
        except JsonError:
            self._refuse(number, INTERNAL_ERROR, "The answer has no JSON form")
        except GatewayError:
            self.dropped["reply"] += 1

    def _refuse(self, number: str | int, code: int, message: str) -> None:
        self._reply(number, _error(code, message))

    def _reply(self, number: str | int, answer: Json) -> None:
        if not self._duplex.post(dumps({"jsonrpc": "2.0", "id": number, **answer})):
            self.dropped["reply"] += 1


def _error(code: int, message: str, data: object = None, *, has_data: bool = False) -> Json:
    error: Json = {"code": code, "message": message}
    if has_data:
        error["data"] = data
    return {"error": error}
