"""One request under way: what each message on its stream means. No I/O of its own."""

from __future__ import annotations

from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import ProtocolViolation, Unreachable
from mcp_gateway.upstream.handshake import (
    PROGRESS_TOKEN,
    passes,
    subscription_of,
    without_subscription,
    without_token,
)
from mcp_gateway.upstream.streamable import belongs_to, method_of, read_error
from mcp_gateway.upstream.streamable_asking import Asking, Tell
from mcp_gateway.upstream.wire import Exchange, NotifyHook

PROGRESS: Final = "notifications/progress"
MESSAGE: Final = "notifications/message"
CANCELLED: Final = "notifications/cancelled"
LISTEN: Final = "subscriptions/listen"
EVENTS: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/elicitation/complete",
    }
)
"""Handshake-era notifications that concern the session, not a request."""


class Flight:
    """A request, its `Exchange`, and the rules of relaying that both eras share.

    `strays` counts the messages that were dropped: foreign answers, progress of other requests, log messages
    nobody asked for.
    """

    __slots__ = ("exchange", "request_id", "strays")

    def __init__(self, request_id: int, exchange: Exchange) -> None:
        self.request_id = request_id
        self.exchange = exchange
        self.strays = 0

    def answer(self, message: Json) -> Json | None:
        """The result if this response is ours, None if it is another's. Raises `Rejected`, `ProtocolViolation`."""
        if not belongs_to(message, self.request_id):
            self.strays += 1
            return None
        if "error" in message:
            raise read_error(message["error"], status=200)
        result = message["result"]
        if not isinstance(result, dict):
            raise ProtocolViolation("the upstream's result is not an object")
        return result

    def relay(self, method: str, params: Json) -> bool:
        """Hand on progress and log messages that belong to this request; False for anything else."""
        exchange = self.exchange
        if method == PROGRESS:
            token = params.get(PROGRESS_TOKEN)
            if not exchange.progress or type(token) is not int or token != self.request_id:
                return False
            params = without_token(params)
        elif method != MESSAGE or not passes(params.get("level"), exchange.log_level):
            return False
        if exchange.notify is not None:
            exchange.notify(method, params)
        return True


class ModernFlight(Flight):
    """The modern era's rules: no requests from upstream, no events but on a listen stream."""

    __slots__ = ("_listening",)

    def __init__(self, request_id: int, method: str, exchange: Exchange) -> None:
        super().__init__(request_id, exchange)
        self._listening = method == LISTEN

    def take(self, message: Json) -> Json | None:
        """The result once it is there. Raises `Rejected`, `ProtocolViolation`; `Unreachable` for a listen torn down."""
        method = method_of(message)
        if method is None:
            return self.answer(message)
        params = message.get("params", {})
        taken = "id" not in message and (self._event(method, params) if self._listening else self.relay(method, params))
        self.strays += not taken
        return None

    def _event(self, method: str, params: Json) -> bool:
        if method in (PROGRESS, MESSAGE):
            return False
        if method == CANCELLED:
            if params.get("requestId") != self.request_id:
                return False
            raise Unreachable("the upstream ended the subscription", sent=True)
        subscription = subscription_of(params)
        if subscription is not None and (type(subscription) is not int or subscription != self.request_id):
            return False
        if self.exchange.notify is not None:
            self.exchange.notify(method, without_subscription(params))
        return True


class SessionFlight(Flight):
    """The handshake era's rules: the upstream may ask, and its events may come on any stream."""

    __slots__ = ("asking", "on_event")

    def __init__(self, request_id: int, exchange: Exchange, tell: Tell, on_event: NotifyHook) -> None:
        super().__init__(request_id, exchange)
        self.asking = Asking(tell, exchange.ask)
        self.on_event = on_event

    def take(self, message: Json) -> Json | None:
        """The result once it is there. Raises `Rejected`, `ProtocolViolation`."""
        method = method_of(message)
        if method is None:
            return self.answer(message)
        params = message.get("params", {})
        if "id" in message:
            taken = self.asking.take(message)
        elif method == CANCELLED:
            taken = self.asking.cancel(params.get("requestId"))
        elif method in EVENTS:
            self.on_event(method, params)
            taken = True
        else:
            taken = self.relay(method, params)
        self.strays += not taken
        return None
