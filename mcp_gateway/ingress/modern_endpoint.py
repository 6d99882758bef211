"""The endpoint of the modern era: one POST, one request, one answer; going away cancels."""

from __future__ import annotations

import asyncio
from typing import Final

from mcp_gateway.core.asgi.body import ClientDisconnected
from mcp_gateway.core.asgi.disconnect import watch
from mcp_gateway.core.asgi.inflight import SLOT
from mcp_gateway.core.call import Call, Client, Json
from mcp_gateway.core.errors import GatewayError
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.ingress.envelope import Notification, Request, id_of
from mcp_gateway.ingress.exchange import (
    Arrival,
    Ending,
    Limits,
    Report,
    answer,
    failure,
    read_json,
    require_both,
    turned_away,
    unexpected,
)
from mcp_gateway.ingress.keep_alive import KeepAlive
from mcp_gateway.ingress.modern import decode
from mcp_gateway.ingress.reply import Reply

SERVER_INFO_KEY: Final = "io.modelcontextprotocol/serverInfo"
LISTEN: Final = "subscriptions/listen"
_FOREVER: Final = float("inf")


class ModernEndpoint:
    """Serves protocol versions from 2026-07-28 on."""

    __slots__ = ("_keep_alive", "_limits", "_refused", "_report")

    def __init__(self, limits: Limits, report: Report, refused: Refusals) -> None:
        self._keep_alive = KeepAlive()
        self._limits = limits
        self._report = report
        self._refused = refused

    async def __call__(self, arrival: Arrival) -> None:
        reply = Reply(arrival.send, arrival.request_id)
        identifier: str | int | None = None
        asked: tuple[Request, Client, str | None] | None = None
        try:
            require_both(arrival.head)
            body = await read_json(arrival, self._limits)
            identifier = id_of(body)
            decoded = decode(arrival.head, body)
            if isinstance(decoded, Notification):
                await reply.accepted()
                return
            asked = decoded
            result = await self._answer(arrival, reply, *asked)
            if result is None:
                return
            ending: Ending = (200, answer(identifier, result), [])
        except ClientDisconnected:
            return
        except Exception as error:
            fault = error if isinstance(error, GatewayError) else unexpected(self._report, arrival.request_id, error)
            ending = failure(fault, identifier, modern=True, request_id=arrival.request_id)
            if asked is None:
                turned_away(self._refused, arrival, fault, ending[0])
        await reply.finish(*ending)

    async def _answer(
        self, arrival: Arrival, reply: Reply, request: Request, client: Client, level: str | None
    ) -> Json | None:
        """The result, stamped with who answered; None when the client went away."""
        served = arrival.served
        listening = request.method == LISTEN
        call = Call(
            id=request.id,
            request_id=arrival.request_id,
            server=served.name,
            method=request.method,
            params=request.params,
            principal=arrival.principal,
            client=client,
            link=reply,
            deadline=_FOREVER if listening else arrival.loop.time() + served.timeout,
            snapshot=served.snapshot,
            trail=reply.trail,
            log_level=level,
            headers=arrival.head.params,
            ip=arrival.ip,
        )
        if listening and SLOT in arrival.scope:
            arrival.scope[SLOT].leave()
        task = asyncio.current_task(arrival.loop)
        assert task is not None
        gone = False

        def leave() -> None:
            nonlocal gone
            gone = True
            task.cancel()

        try:
            with watch(arrival.receive, leave, scope=arrival.scope):
                reply.keep_alive(self._keep_alive, arrival.loop)
                result = await served.handler(call)
        except asyncio.CancelledError:
            reply.abandon()
            if not gone:
                raise
            task.uncancel()
            return None
        meta = result.get("_meta")
        stamped = {**meta, SERVER_INFO_KEY: served.server_info} if meta else {SERVER_INFO_KEY: served.server_info}
        return {**result, "_meta": stamped}
