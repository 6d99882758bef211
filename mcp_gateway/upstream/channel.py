"""JSON-RPC over one duplex channel: every request gets its own answer, whatever the order, or an error.

Knows nothing of eras; `ChannelConversation` marks the requests and knows what they mean.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Rejected, TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.strictjson import JsonError, dumps, loads_upstream
from mcp_gateway.upstream.channel_duplex import Duplex, EventHook
from mcp_gateway.upstream.channel_incoming import Incoming
from mcp_gateway.upstream.channel_inflight import InFlight, Pending
from mcp_gateway.upstream.wire import Exchange

LostHook = Callable[[UpstreamError], None]
"""Told once when the channel is dead, and why. Must not wait or raise."""

_FOREVER: Final = float("inf")
_EDGE: Final = 256
_ID_FIRST: Final = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*([1-9][0-9]{0,17})\s*[,}]')
_ID_LAST: Final = re.compile(rb',\s*"id"\s*:\s*([1-9][0-9]{0,17})\s*\}\s*\Z')


class Channel:
    """Correlates requests and answers. `version` is set by whoever negotiates; "" until then.

    One timer per request, no task. Answers to unknown, finished or foreign ids are dropped and counted.
    """

    __slots__ = (
        "_duplex",
        "_incoming",
        "_inflight",
        "_loop",
        "_lost",
        "_on_lost",
        "_unsettled",
        "_version",
        "dropped",
        "upstream",
    )  # fmt: skip

    def __init__(
        self, duplex: Duplex, *, on_event: EventHook, on_lost: LostHook | None = None, upstream: str = ""
    ) -> None:
        self.upstream = upstream
        self.dropped: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._duplex = duplex
        self._inflight = InFlight()
        self._incoming = Incoming(duplex, self._inflight, on_event, upstream, self.dropped)
        self._on_lost = on_lost
        self._lost: UpstreamError | None = None
        self._version = ""
        duplex.attach(self)

    # ------------------------------------------------------------ outwards

    @property
    def lost_because(self) -> UpstreamError | None:
        """Why the channel is dead; None while it is not."""
        return self._lost or self._duplex.closed

    def speak(self, version: str, *, modern: bool) -> None:
        """The version is settled: in the modern era the upstream has no requests to make."""
        self._version = version
        self._incoming.answers_requests = not modern

    def mint(self) -> int:
        """The number of the next request; also its progress token."""
        return self._inflight.mint()

    async def request(
        self, number: int, method: str, params: Json, exchange: Exchange, *, cancellable: bool = True
    ) -> Json:
        """Send a request under a minted `number` and return the raw result object.

        With `cancellable=False` (the handshake) giving up is not announced to the upstream.
        Raises `Rejected`, `Unreachable`, `TimedOut`, `ProtocolViolation`.
        """
        deadline = exchange.deadline
        if deadline <= self._loop.time():
            raise TimedOut("the deadline passed before the request was sent", sent=False, upstream=self.upstream)
        message = dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        self._refuse_if_lost()
        pending = Pending(number, method, exchange, self._loop)
        self._inflight.add(pending)
        try:
            await self._duplex.send(message, deadline)
            if deadline != _FOREVER:
                pending.timer = self._loop.call_at(deadline, self._expire, pending, cancellable)
            return await pending.future
        except asyncio.CancelledError:
            if cancellable:  # even if it was not sent yet: an unknown id in a cancellation is ignored
                self._withdraw(pending, "the caller gave up")
            raise
        finally:
            self._inflight.remove(pending)

    async def notify(self, method: str, params: Json, deadline: float) -> None:
        """Send a notification. Raises `Unreachable` or `TimedOut`."""
        self._refuse_if_lost()
        message: Json = {"jsonrpc": "2.0", "method": method}
        if params:
            message["params"] = params
        await self._duplex.send(dumps(message), deadline)

    async def close(self) -> None:
        """End the transport; whoever still waits gets `Unreachable`."""
        await self._duplex.close()
        self.lost(Unreachable("the connection was closed", sent=True, upstream=self.upstream))

    def _expire(self, pending: Pending, cancellable: bool) -> None:
        if not pending.future.done():
            pending.fail(TimedOut("the upstream did not answer in time", upstream=self.upstream))
            if cancellable:
                self._withdraw(pending, "the deadline passed")

    def _withdraw(self, pending: Pending, reason: str) -> None:
        params = {"requestId": pending.number, "reason": reason}
        if not self._duplex.post(dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})):
            self.dropped["withdrawal"] += 1

    def _refuse_if_lost(self) -> None:
        if self.lost_because is not None:
            raise Unreachable(self.lost_because.message, sent=False, upstream=self.upstream)

    # ------------------------------------------------------------ inwards

    def feed(self, raw: bytes) -> None:
        """Take one message from the transport."""
        try:
            message = loads_upstream(raw)
        except JsonError:
            self._garbled(raw)
            return
        if type(message) is dict:
            self._take(message)
        elif type(message) is list:
            self._batch(message)
        else:
            self.dropped["malformed"] += 1

    def lost(self, reason: UpstreamError) -> None:
        """Fail everything that waits: nothing more will come."""
        if self._lost is not None:
            return
        self._lost = reason
        for pending in self._inflight.all():
            pending.fail(self._aftermath(reason))
        self._incoming.end()
        if self._on_lost is not None:
            self._on_lost(reason)

    def _aftermath(self, reason: UpstreamError) -> UpstreamError:
        if isinstance(reason, ProtocolViolation):
            return ProtocolViolation(reason.message, upstream=self.upstream)
        return Unreachable(reason.message, sent=True, upstream=self.upstream)

    def _take(self, message: Json) -> None:
        if "method" not in message:
            self._answer(message.get("id"), message)
            return
        method, params = message["method"], message.get("params", {})
        if "result" in message or "error" in message:
            self._spoiled(message.get("id"))
        elif message.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
            self._spoiled(None)
        elif "id" in message:
            self._incoming.request(message["id"], method, params)
        else:
            self._incoming.notification(method, params)

    def _answer(self, number: object, message: Json) -> None:
        pending = self._inflight.find(number)
        if pending is None:
            self.dropped["late" if self._inflight.issued(number) else "unknown"] += 1
            return
        outcome = _read_answer(message, self.upstream)
        if isinstance(outcome, UpstreamError):
            pending.fail(outcome)
        elif pending.future.done():
            self.dropped["late"] += 1
        else:
            pending.succeed(outcome)

    def _batch(self, messages: list[Any]) -> None:
        """Batches existed before 2025-06-18 only; later, whoever was answered in one learns that this is wrong."""
        allowed = self._version in ("2025-03-26", "2024-11-05")
        for message in messages:
            if type(message) is not dict:
                self.dropped["malformed"] += 1
            elif allowed:
                self._take(message)
            else:
                self._spoiled(None if "method" in message else message.get("id"))

    def _garbled(self, raw: bytes) -> None:
        """Not JSON: a banner on stdout, or an answer that went wrong. If it shows its id, its caller need not wait."""
        match = None
        if b'"method"' not in raw[:_EDGE]:  # the ids of the upstream's own requests are not ours
            match = _ID_FIRST.match(raw[:_EDGE]) or _ID_LAST.search(raw[-_EDGE:])
        self._spoiled(int(match[1]) if match else None)

    def _spoiled(self, number: object) -> None:
        """Drop a malformed message; `number` is the request of ours that it answers, if it shows one."""
        self.dropped["malformed"] += 1
        pending = self._inflight.find(number)
        if pending is not None:
            pending.fail(ProtocolViolation("the upstream's answer is malformed", upstream=self.upstream))


def _read_answer(message: Json, upstream: str) -> Json | UpstreamError:
    """The result, the upstream's own error, or what is wrong with the answer (JSON-RPC 2.0 §5)."""
    result, error = message.get("result"), message.get("error")
    if message.get("jsonrpc") == "2.0" and "error" not in message and type(result) is dict:
        return result
    if message.get("jsonrpc") == "2.0" and "result" not in message and type(error) is dict:
        code, text = error.get("code"), error.get("message")
        if type(code) is int and isinstance(text, str):
            return Rejected(code, text, error.get("data"), has_data="data" in error, upstream=upstream)
    return ProtocolViolation("the upstream's answer is malformed", upstream=upstream)
