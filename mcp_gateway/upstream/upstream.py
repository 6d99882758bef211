"""One upstream: its main conversation, its sessions, its subscriptions, and how it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from mcp_gateway.calls.inventory import Inventory, InventoryChanged
from mcp_gateway.calls.kinds import HeaderMap, Result
from mcp_gateway.core.errors import ConnectionRequired, GatewayError, ProtocolViolation, UpstreamError
from mcp_gateway.core.mcp_headers import x_mcp_header_map
from mcp_gateway.core.principal import Principal
from mcp_gateway.upstream.acquaint import Acquaintance
from mcp_gateway.upstream.channel import LostHook
from mcp_gateway.upstream.connect import Connector, Hello, until
from mcp_gateway.upstream.credentials import Credentials, Fields, fields_for, renewed_after
from mcp_gateway.upstream.events import Events
from mcp_gateway.upstream.health import Health
from mcp_gateway.upstream.invoke import Invoke, is_nobody
from mcp_gateway.upstream.lasting import Ended, Lasting, told_to_nobody
from mcp_gateway.upstream.pool import MOST_SESSIONS, Caller, Key, SessionPool
from mcp_gateway.upstream.spec import Log, UpstreamSpec
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.streamable_session import HandshakeConversation
from mcp_gateway.upstream.subscribe_handshake import HandshakeFollowing, Held
from mcp_gateway.upstream.subscribe_modern import OPEN_SECONDS, ModernFollowing
from mcp_gateway.upstream.subscriptions import Following, OnUpdate, Subscriptions
from mcp_gateway.upstream.supervise import Supervisor
from mcp_gateway.upstream.tracing import peer_of
from mcp_gateway.upstream.wire import MODERN, Conversation, Exchange

MOST_PROCESSES: Final = 64
"""Child processes of one upstream, besides the main one."""

_DRAIN_STEP: Final = 0.05


class Upstream:
    """Joins the parts. `invoke` is the terminal of calls to this upstream.

    A child process serves one caller's session each, except that the main one also serves callers who are
    nobody in particular and declare nothing.
    """

    def __init__(
        self,
        name: str,
        spec: UpstreamSpec,
        connector: Connector,
        *,
        credentials: Credentials,
        log: Log,
        publish: Callable[[Upstream, InventoryChanged], None],
        recovered: Callable[[str], None],
        ended: Ended = told_to_nobody,
    ) -> None:
        """Call it inside the running loop. `publish`, `recovered` and `ended` must not raise or wait."""
        self.name = name
        self.spec = spec
        self.peer = peer_of(spec)
        self._connector = connector
        self._credentials = credentials
        self._log = log.bind(upstream=name)
        self._shares_main = connector.kind == "stdio"
        lasting = Lasting(ended)
        self._supervisor = Supervisor(
            name,
            connector,
            credentials=credentials,
            timeout=spec.timeout,
            log=self._log,
            publish=lambda change: publish(self, change),
            recovered=lambda: recovered(name),
            replaced=self._replaced,
            lasting=lasting,
        )
        self._acquaintance = Acquaintance(name, connector, self._supervisor, timeout=spec.timeout, log=self._log)
        self._pool = SessionPool(
            self._open,
            idle_timeout=spec.idle_timeout,
            limit=MOST_PROCESSES if self._shares_main else MOST_SESSIONS,
            lasting=lasting,
        )
        self._subscriptions = Subscriptions(self._following)
        self.invoke = Invoke(name, self, self._pool, credentials, timeout=spec.timeout, shares_main=self._shares_main)

    def start(self) -> None:
        """Connect and read the lists in the background."""
        self._supervisor.start()

    async def close(self, patience: float) -> None:
        """Wait up to `patience` seconds for calls under way, then end everything."""
        end = until(patience)
        while self.invoke.active and until(0) < end:
            await asyncio.sleep(_DRAIN_STEP)
        await self._subscriptions.close()
        await asyncio.gather(self._supervisor.stop(), self._pool.close())
        await self._connector.close()

    # ------------------------------------------------------------ what is known of it

    @property
    def inventory(self) -> Inventory:
        """The offer as last read."""
        return self._supervisor.inventory

    @property
    def unread(self) -> bool:
        """Whether the request of somebody with a credential should read the lists (`acquaint`)."""
        return self._acquaintance.wanted

    async def acquaint(self, principal: Principal, deadline: float) -> None:
        """Read, as `principal`, what the upstream does not show the gateway itself, if that is due and they have a
        credential. What goes wrong is logged: the request that this is a part of has another purpose."""
        try:
            await self._meet(principal, await fields_for(self._credentials, principal, deadline), deadline)
        except ConnectionRequired:
            return  # nothing connected yet
        except GatewayError as error:
            self._acquaintance.put_off()
            self._log.warning("lists_not_read_for_person", error=type(error).__name__)

    async def tried(self) -> None:
        """Wait until it was tried once, well or not."""
        await self._supervisor.tried.wait()

    def health(self) -> Health:
        """How it is doing now."""
        known = self.inventory
        main = self._supervisor.conversation
        return Health(
            name=self.name,
            kind=self._connector.kind,
            version=known.version,
            available=known.available,
            error=known.error,
            since=self._supervisor.since,
            sessions=len(self._pool) + (main is not None and main.alive),
            restarts=self._supervisor.restarts,
            waits_for_person=known.waits_for_person,
            tools=len(known.tools),
            prompts=len(known.prompts),
            resources=len(known.resources) + len(known.templates),
        )

    # ------------------------------------------------------------ what invocations need (`Home`)

    @property
    def conversation(self) -> Conversation | None:
        """The main conversation, perhaps a dead one."""
        return self._supervisor.conversation

    async def ready(self, principal: Principal, fields: Fields, deadline: float) -> Conversation:
        """The main conversation, begun anew if it is dead. Raises `Unreachable`, `TimedOut`, what `fields` meet."""
        if self._supervisor.waiting:
            await self._acquaintance.meet(fields, deadline)
        return await self._supervisor.ready(deadline)

    async def renegotiated(self, principal: Principal, fields: Fields, deadline: float) -> Conversation:
        """The main conversation after the lists were read again, which notices an era that has changed."""
        await self._reread(fields, deadline)
        return await self._supervisor.ready(deadline)

    def check(self) -> None:
        """See whether the upstream is still there."""
        self._supervisor.check()

    async def upstream_headers(
        self, tool: str, principal: Principal, fields: Fields, deadline: float
    ) -> HeaderMap | None:
        """Read the tools again; the tool's ``x-mcp-header`` annotations, None if it is gone. Raises `TimedOut`."""
        await self._reread(fields, deadline)
        for entry in self.inventory.tools:
            if entry["name"] == tool:
                return x_mcp_header_map(entry.get("inputSchema"))
        return None

    async def greet(self, principal: Principal, fields: Fields, deadline: float) -> Result:
        """The answer of the tool that stands for lists not read yet: they are read now. Raises `UpstreamError`."""
        await self._acquaintance.meet(fields, deadline)
        tools = len(self.inventory.tools)
        text = f"The account at {self.name} is connected. Its tools ({tools}) are listed now: list the tools again."
        return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False}

    async def _meet(self, principal: Principal, fields: Fields, deadline: float) -> None:
        try:
            await self._acquaintance.meet(fields, deadline)
        except Refused as refused:
            renewed = await renewed_after(refused, self._credentials, principal, fields, deadline)
            if renewed is None:
                raise
            await self._acquaintance.meet(renewed, deadline)

    async def _reread(self, fields: Fields, deadline: float) -> None:
        if self._supervisor.waiting:
            await self._acquaintance.meet(fields, deadline, again=True)
        else:
            await self._supervisor.reread(deadline)

    # ------------------------------------------------------------ subscriptions

    async def watch(self, uri: str, principal: Principal, on_update: OnUpdate) -> Callable[[], None]:
        """Follow a resource for `principal`. Raises `UpstreamError` with this upstream's name, or what obtaining a
        credential raises."""
        try:
            return await self._subscriptions.watch(uri, principal, on_update)
        except UpstreamError as error:
            error.upstream = self.name
            raise

    async def _following(self, principal: Principal, deliver: OnUpdate) -> Following:
        async def fields(deadline: float) -> Fields:
            return await fields_for(self._credentials, principal, deadline)

        async def ready(carried: Fields, deadline: float) -> Conversation:
            return await self.ready(principal, carried, deadline)

        async def hold(deadline: float) -> Held:
            return await self._hold(principal, deadline)

        async def exchange(deadline: float) -> Exchange:
            return Exchange(deadline=deadline, headers=await fields(deadline))

        deadline = until(OPEN_SECONDS)
        conversation = await ready(await fields(deadline), deadline)
        if conversation.version == MODERN:
            return ModernFollowing(ready, fields, deliver)
        return HandshakeFollowing(hold, exchange, deliver)

    async def _hold(self, principal: Principal, deadline: float) -> Held:
        key = Key(principal.binding)
        if self._shares_main and is_nobody(key):
            main = await self._supervisor.ready(deadline)
            return Held(main, self._supervisor.events, _nothing)
        session = await self._pool.borrow(Caller(principal, key), deadline)

        def release() -> None:
            if not session.conversation.alive:
                self._pool.discard(session)
            self._pool.give_back(session)

        return Held(session.conversation, session.events, release)

    def _replaced(self) -> None:
        self._subscriptions.renew()

    # ------------------------------------------------------------ sessions

    async def _open(self, caller: Caller, lost: LostHook) -> tuple[Conversation, Events]:
        """Begin a conversation of a caller's own with a handshake-era upstream."""
        events = Events(self._supervisor.announce, caller.session)
        hello = Hello(
            on_event=events,
            on_lost=lost,
            capabilities=caller.capabilities,
            client_info=caller.client_info,
            headers=await fields_for(self._credentials, caller.principal, until(OPEN_SECONDS)),
        )
        try:
            conversation = await self._connector.connect(hello)
        except UpstreamError as error:
            error.upstream = self.name
            raise
        if conversation.version == MODERN:
            await conversation.close()
            self._supervisor.check()
            raise ProtocolViolation("the upstream has changed its protocol version", upstream=self.name)
        if caller.capabilities and isinstance(conversation, HandshakeConversation):
            # Some servers ask on the standalone stream even what belongs to a call.
            await conversation.open_events()
        return conversation, events


def _nothing() -> None:
    return None
