"""Carries out a permitted invocation at its upstream, in whatever era that speaks.

The credential meets the request here and nowhere else. A request is sent a second time only where the first
was provably not processed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, Protocol

from mcp_gateway.calls.kinds import HeaderMap, Invocation, Result
from mcp_gateway.core.call import Call, Json
from mcp_gateway.core.errors import Rejected, Unreachable, UpstreamError
from mcp_gateway.core.mcp_headers import param_headers
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.upstream.capabilities import fingerprint, for_handshake, for_modern
from mcp_gateway.upstream.connect import contradicts_era
from mcp_gateway.upstream.credentials import Credentials, Fields, renewed_after
from mcp_gateway.upstream.handshake import HEADER_MISMATCH, UNSUPPORTED_VERSION
from mcp_gateway.upstream.normalize import from_handshake, from_modern
from mcp_gateway.upstream.pool import Caller, Key, SessionPool
from mcp_gateway.upstream.relay import Relay
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.tracing import carried
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange

_AT_ONCE: Final = 1.0
"""A connection that took longer than this to fail is not tried again: the caller has waited enough."""


class Home(Protocol):
    """What an invocation needs of the upstream it goes to. The principal is who asks, with the fields of its request:

    an upstream that shows the gateway itself nothing is reached and read as them.
    """

    @property
    def conversation(self) -> Conversation | None: ...

    def ready(self, principal: Principal, fields: Fields, deadline: float) -> Awaitable[Conversation]:
        """The main conversation, begun anew if it is dead."""
        ...

    def renegotiated(self, principal: Principal, fields: Fields, deadline: float) -> Awaitable[Conversation]:
        """The main conversation after the lists were read again, which notices an era that has changed."""
        ...

    def check(self) -> None:
        """See whether the upstream is still there."""
        ...

    def upstream_headers(
        self, tool: str, principal: Principal, fields: Fields, deadline: float
    ) -> Awaitable[HeaderMap | None]:
        """Read the tools again; the tool's ``x-mcp-header`` annotations, None if it is gone."""
        ...

    def greet(self, principal: Principal, fields: Fields, deadline: float) -> Awaitable[Result]:
        """The answer of the tool that stands for lists not read yet: they are read now."""
        ...


class Invoke:
    """The terminal of the inner pipeline for one upstream."""

    __slots__ = ("_credentials", "_home", "_loop", "_name", "_pool", "_shares_main", "_timeout", "active")

    def __init__(
        self, name: str, home: Home, pool: SessionPool, credentials: Credentials, *, timeout: float, shares_main: bool
    ) -> None:
        """With `shares_main` the main conversation of a handshake-era upstream also serves callers that are nobody
        in particular and declare nothing."""
        self._name = name
        self._home = home
        self._pool = pool
        self._credentials = credentials
        self._timeout = timeout
        self._shares_main = shares_main
        self._loop = asyncio.get_running_loop()
        self.active = 0
        """Invocations under way."""

    async def __call__(self, invocation: Invocation) -> Result:
        """Raises `UpstreamError`, always with the upstream's name; `Overloaded`; what obtaining a credential raises."""
        call = invocation.call
        began = time.perf_counter()  # the loop's clock counts milliseconds, and stands still within a turn
        deadline = min(call.deadline, self._loop.time() + self._timeout)
        self.active += 1
        try:
            fields = self._credentials.at_hand(call.principal)
            if fields is None:
                fields = await self._credentials.obtain(call.principal, deadline)
            try:
                return await self._carry_out(invocation, fields, deadline)
            except Refused as refused:
                renewed = await renewed_after(refused, self._credentials, call.principal, fields, deadline)
                if renewed is None:
                    raise
            return await self._carry_out(invocation, renewed, deadline)
        except UpstreamError as error:
            if not error.upstream:
                error.upstream = self._name
            if isinstance(error, Unreachable) or self._contradicted():
                self._home.check()
            raise
        finally:
            self.active -= 1
            call.trail.upstream_seconds += time.perf_counter() - began

    def _carry_out(self, invocation: Invocation, fields: Fields, deadline: float) -> Awaitable[Result]:
        if invocation.tool is not None and invocation.tool.connects:
            return self._home.greet(invocation.call.principal, fields, deadline)
        conversation = self._home.conversation
        if conversation is None or not conversation.alive or conversation.version != MODERN:
            return self._converse(invocation, fields, conversation, deadline)
        return self._modern(invocation, fields, conversation, deadline)

    async def _converse(
        self, invocation: Invocation, fields: Fields, conversation: Conversation | None, deadline: float
    ) -> Result:
        if conversation is None or not conversation.alive:
            conversation = await self._home.ready(invocation.call.principal, fields, deadline)
        if conversation.version == MODERN:
            return await self._modern(invocation, fields, conversation, deadline)
        return await self._handshake(invocation, fields, conversation, deadline)

    def _contradicted(self) -> bool:
        """True when an answer showed that the upstream no longer speaks the era of the main conversation."""
        main = self._home.conversation
        return main is not None and not main.alive

    # ------------------------------------------------------------ the modern era

    async def _modern(
        self, invocation: Invocation, fields: Fields, conversation: Conversation, deadline: float
    ) -> Result:
        principal = invocation.call.principal
        exchange = self._modern_exchange(invocation, fields, deadline)
        method, params = invocation.kind.value, _params(invocation)
        began = self._loop.time()
        try:
            return from_modern(await conversation.request(method, params, exchange))
        except Unreachable as error:
            if error.sent or self._loop.time() - began > _AT_ONCE:
                raise
            conversation = await self._home.ready(principal, fields, deadline)
        except Rejected as error:
            if error.code == HEADER_MISMATCH and invocation.tool is not None:
                headers = await self._home.upstream_headers(invocation.target, principal, fields, deadline)
                if headers is None:
                    raise
                exchange = self._modern_exchange(invocation, fields, deadline, headers)
            elif error.code == UNSUPPORTED_VERSION and not conversation.alive:
                conversation = await self._home.ready(principal, fields, deadline)
            else:
                raise
        if conversation.version == MODERN:
            return from_modern(await conversation.request(method, params, exchange))
        caller = caller_of(invocation.call)
        exchange = self._handshake_exchange(invocation.call, caller, carried(invocation, fields), deadline)
        return await self._once(invocation, caller, exchange, conversation)

    def _modern_exchange(
        self, invocation: Invocation, headers: Fields, deadline: float, mirrored: HeaderMap | None = None
    ) -> Exchange:
        call = invocation.call
        headers = carried(invocation, headers)
        client = call.client
        capabilities = client.capabilities
        if capabilities:
            capabilities = for_modern(capabilities) if client.modern else {}
        token = _progress_token(call)
        level = call.log_level
        relay = None if token is None and level is None else Relay(call.link, token, capabilities)
        if invocation.tool is not None:
            mirrored = invocation.tool.upstream_headers if mirrored is None else mirrored
            if mirrored:
                arguments = invocation.params.get("arguments")
                headers = {**headers, **param_headers(mirrored, arguments if isinstance(arguments, dict) else {})}
        return Exchange(
            deadline=deadline,
            capabilities=capabilities,
            client_info=client.info if client.modern else None,
            log_level=level,
            progress=token is not None,
            notify=relay.notify if relay is not None else None,
            headers=headers,
        )

    # ------------------------------------------------------------ the handshake era

    async def _handshake(self, invocation: Invocation, fields: Fields, main: Conversation, deadline: float) -> Result:
        principal, caller = invocation.call.principal, caller_of(invocation.call)
        exchange = self._handshake_exchange(invocation.call, caller, carried(invocation, fields), deadline)
        began = self._loop.time()
        try:
            return await self._once(invocation, caller, exchange, main)
        except Unreachable as error:
            if error.sent or self._loop.time() - began > _AT_ONCE:
                raise
            main = await self._home.ready(principal, fields, deadline)
        except Rejected as error:
            if not contradicts_era(main, error):
                raise
            main = await self._home.renegotiated(principal, fields, deadline)
            if error.code != UNSUPPORTED_VERSION:
                raise
        if main.version == MODERN:
            exchange = self._modern_exchange(invocation, fields, deadline)
            return from_modern(await main.request(invocation.kind.value, _params(invocation), exchange))
        return await self._once(invocation, caller, exchange, main)

    async def _once(self, invocation: Invocation, caller: Caller, exchange: Exchange, main: Conversation) -> Result:
        """Send the request in the conversation of its caller, opened if need be."""
        kind = invocation.kind
        if self._shares_main and is_nobody(caller.key):
            return from_handshake(kind, await main.request(kind.value, _params(invocation), exchange))
        session = self._pool.idle(caller.key) or await self._pool.borrow(caller, exchange.deadline)
        try:
            return from_handshake(kind, await session.conversation.request(kind.value, _params(invocation), exchange))
        except UpstreamError as error:
            if not session.conversation.alive or contradicts_era(session.conversation, error):
                self._pool.discard(session)
            raise
        finally:
            self._pool.give_back(session)

    def _handshake_exchange(self, call: Call, caller: Caller, headers: Fields, deadline: float) -> Exchange:
        token = _progress_token(call)
        relay = Relay(call.link, token, caller.capabilities)
        return Exchange(
            deadline=deadline,
            log_level=call.log_level,
            progress=token is not None,
            notify=relay.notify if token is not None or call.log_level is not None else None,
            ask=relay.ask if caller.capabilities else None,
            headers=headers,
        )


def caller_of(call: Call) -> Caller:
    """Whose conversation a call to a handshake-era upstream needs."""
    client, session = call.client, call.session
    capabilities = for_handshake(client.capabilities) if session is not None and not client.modern else {}
    if not capabilities or session is None:
        return Caller(call.principal, Key(call.principal.binding))
    key = Key(call.principal.binding, fingerprint(capabilities), session.id)
    return Caller(call.principal, key, capabilities, client.info, session)


def is_nobody(key: Key) -> bool:
    """True for the anonymous principal without capabilities of its own."""
    return key.principal == ANONYMOUS.id and not key.capabilities


def _progress_token(call: Call) -> str | int | None:
    meta = call.params.get("_meta")
    token = meta.get("progressToken") if type(meta) is dict else None
    return token if type(token) is str or type(token) is int else None


def _params(invocation: Invocation) -> Json:
    return {**invocation.params, "_meta": invocation.meta} if invocation.meta else invocation.params
