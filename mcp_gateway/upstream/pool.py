"""Handshake-era conversations, one for each caller: a server of that era keeps state for whom it talks to."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.call import Session as ClientSession
from mcp_gateway.core.errors import Overloaded, TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.principal import Principal
from mcp_gateway.upstream.channel import LostHook
from mcp_gateway.upstream.events import Events
from mcp_gateway.upstream.lasting import Lasting
from mcp_gateway.upstream.wire import Conversation

MOST_SESSIONS: Final = 256
"""Conversations with one upstream at a time."""

_OPEN_SECONDS: Final = 60.0
"""An opening that nobody waits for any more is given up after this."""


@dataclass(frozen=True, slots=True)
class Key:
    """Who may share a conversation: nobody but the same principal through the same agent with the same capabilities.

    `principal` is a `Principal.binding`. `session` is the id of the client's session when capabilities were declared,
    since the upstream's questions are put to that client; otherwise "".
    """

    principal: str
    capabilities: bytes = b""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a conversation is for, under which key, and what is declared in the handshake."""

    principal: Principal
    key: Key
    capabilities: Json = field(default_factory=dict)
    client_info: Json | None = None
    session: ClientSession | None = None


class Session:
    """One open conversation. `uses` counts the calls and subscriptions that hold it."""

    __slots__ = ("conversation", "discarded", "events", "key", "since", "uses")

    def __init__(self, key: Key, conversation: Conversation, events: Events, now: float) -> None:
        self.key = key
        self.conversation = conversation
        self.events = events
        self.since = now
        self.uses = 0
        self.discarded = False


Open = Callable[[Caller, LostHook], Awaitable[tuple[Conversation, Events]]]
"""Begins a conversation for a caller. Raises `UpstreamError`."""


class SessionPool:
    """Opens conversations when they are first needed, once for each key, and closes those that are idle for long.

    `borrow` and `give_back` enclose every use. Beyond `limit` the longest idle one makes room.
    """

    def __init__(
        self, open_: Open, *, idle_timeout: float, limit: int = MOST_SESSIONS, lasting: Lasting | None = None
    ) -> None:
        self._lasting = lasting or Lasting()
        self._open = open_
        self._idle_timeout = idle_timeout
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._sessions: OrderedDict[Key, Session] = OrderedDict()
        self._opening: dict[Key, asyncio.Task[Session]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._sessions) + len(self._opening)

    def idle(self, key: Key) -> Session | None:
        """Borrow the conversation of `key` if it is open, without waiting."""
        session = self._sessions.get(key)
        if session is None:
            return None
        if not session.conversation.alive:
            self.discard(session)
            return None
        session.uses += 1
        self._sessions.move_to_end(key)
        return session

    async def borrow(self, caller: Caller, deadline: float) -> Session:
        """Borrow the conversation of `caller`, opened if need be.

        Raises `UpstreamError` when it cannot be opened, `Overloaded` when there are too many that are in use.
        """
        key = caller.key
        session = self.idle(key)
        if session is not None:
            return session
        opening = self._opening.get(key) or self._begin(caller)
        try:
            async with asyncio.timeout_at(deadline):
                session = await asyncio.shield(opening)
        except TimeoutError:
            raise TimedOut("the upstream did not begin a session in time", sent=False) from None
        if session.discarded:  # it did not live until this task had its turn
            raise Unreachable("the upstream ended the session at once", sent=False)
        session.uses += 1
        return session

    def give_back(self, session: Session) -> None:
        """The use of `session` is over."""
        session.uses -= 1
        session.since = self._loop.time()
        if session.discarded and session.uses == 0:
            self._close(session)

    def discard(self, session: Session) -> None:
        """Let no one have `session` any more; it is closed when the last use of it is over."""
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        if not session.discarded:
            session.discarded = True
            if session.uses == 0:
                self._close(session)

    def forget(self, key: Key) -> None:
        """The client's session that `key` belongs to has ended."""
        session = self._sessions.get(key)
        if session is not None:
            self.discard(session)

    async def close(self) -> None:
        """Close every conversation, in use or not."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for opening in self._opening.values():
            opening.cancel()
        if self._opening:
            await asyncio.wait(tuple(self._opening.values()))
        for session in tuple(self._sessions.values()):
            session.uses = 0
            self.discard(session)
        if self._closing:
            await asyncio.wait(tuple(self._closing))

    # ------------------------------------------------------------ inside

    def _begin(self, caller: Caller) -> asyncio.Task[Session]:
        if self._closed:
            raise Unreachable("the upstream is being shut down", sent=False)
        self._make_room()
        opening = self._loop.create_task(self._opened(caller))
        self._opening[caller.key] = opening
        opening.add_done_callback(lambda task: self._begun(caller.key, task))
        return opening

    def _begun(self, key: Key, task: asyncio.Task[Session]) -> None:
        self._opening.pop(key, None)
        if not task.cancelled():
            task.exception()  # marks it as seen: whoever waited may have been cancelled

    async def _opened(self, caller: Caller) -> Session:
        box: list[Session] = []
        early: list[UpstreamError] = []

        def lost(reason: UpstreamError) -> None:
            if box:
                self.discard(box[0])
            early.append(reason)

        async with asyncio.timeout(_OPEN_SECONDS):
            conversation, events = await self._open(caller, lost)
        self._lasting.began(conversation)
        session = Session(caller.key, conversation, events, self._loop.time())
        if early or self._closed:
            self.discard(session)
            return session
        box.append(session)
        self._sessions[caller.key] = session
        if caller.session is not None and caller.key.session:
            caller.session.hold(f"upstream session {id(self)}", lambda: self.discard(session))
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_timeout, self._expire)
        return session

    def _make_room(self) -> None:
        if len(self) < self._limit:
            return
        longest = next((session for session in self._sessions.values() if session.uses == 0), None)
        if longest is None:
            raise Overloaded("too many sessions with this upstream are in use")
        self.discard(longest)

    def _expire(self) -> None:
        """Close what was idle for too long, and look again when the next may be."""
        self._sweep = None
        now = self._loop.time()
        idle = [session for session in self._sessions.values() if session.uses == 0]
        for session in idle:
            if now - session.since >= self._idle_timeout or not session.conversation.alive:
                self.discard(session)
        if self._sessions:
            oldest = min((session.since for session in self._sessions.values() if session.uses == 0), default=now)
            self._sweep = self._loop.call_later(max(oldest + self._idle_timeout - now, 0.05), self._expire)

    def _close(self, session: Session) -> None:
        self._lasting.ended(session.conversation)
        task = self._loop.create_task(session.conversation.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
