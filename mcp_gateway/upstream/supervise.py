"""Keeps one upstream's main conversation and what is known of its offer.

The main conversation is the gateway's own. In the modern era everybody's requests go over it; before, it reads
the lists only (a child process also serves those who need nothing of their own). Where the upstream shows itself to
people's accounts only, the supervisor waits, and takes what somebody's request has read (`acquaint.py`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mcp_gateway.calls.inventory import Change, Inventory, InventoryChanged, Listing
from mcp_gateway.core.errors import ConnectionRequired, Rejected, TimedOut, Unreachable, UpstreamError
from mcp_gateway.upstream.backoff import Backoff
from mcp_gateway.upstream.connect import Connector, Hello, contradicts_era
from mcp_gateway.upstream.credentials import Credentials
from mcp_gateway.upstream.events import Events
from mcp_gateway.upstream.follow import Follow
from mcp_gateway.upstream.inventory import EVERYTHING, LISTINGS
from mcp_gateway.upstream.lasting import Lasting
from mcp_gateway.upstream.own_account import OwnAccount
from mcp_gateway.upstream.spec import Log
from mcp_gateway.upstream.wire import MODERN, Conversation

POLL_SECONDS: Final = 300.0
"""An upstream's lists are read again at least this often, whatever it announces, give or take a tenth."""

SHORTEST_POLL: Final = 30.0
"""Lists that are not announced are read again when their ttl runs out, but not more often than this."""

_GATHER: Final = 0.02
"""Announcements that come in one burst are answered by one reading."""
_SPACING: Final = 0.25
"""Between the starts of two readings, however many announcements come."""
_PULSE: Final = 1.0
"""How often a handshake-era session, which cannot tell by itself that it was lost, is looked at."""
_STEADY_SECONDS: Final = 10.0
"""A conversation that lasted so long was no failure: the next one is begun without waiting."""
_HASTE: Final = 1.0
"""After a failed attempt, calls do not begin another before this has passed: they fail at once."""
_STILL_WAITING: Final = 60.0
"""An upstream that waits for a person is not asked again on the gateway's own account before this has passed."""

WAITS: Final = "it shows itself to people's accounts only, and nobody has connected one since the gateway started"


class Supervisor:
    """Begins the main conversation, reads the lists, follows their changes, and begins again when it is lost.

    `conversation` may be dead; `ready` waits for a living one. `inventory` is the last one read, `since` the
    time (Unix) at which the upstream became available or unavailable. `waiting`: it shows the gateway nothing.
    """

    def __init__(
        self,
        name: str,
        connector: Connector,
        *,
        credentials: Credentials,
        timeout: float,
        log: Log,
        publish: Callable[[InventoryChanged], None],
        recovered: Callable[[], None],
        replaced: Callable[[], None],
        lasting: Lasting | None = None,
    ) -> None:
        """`publish` gets every new inventory; `recovered` is called when the upstream is back after it was away;
        `replaced` when another main conversation takes the place of an earlier one."""
        self._name = name
        self._connector = connector
        self._own = OwnAccount(connector, credentials, timeout=timeout, log=log)
        self._log = log
        self._publish = publish
        self._recovered = recovered
        self._replaced = replaced
        self._lasting = lasting or Lasting()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._dirty: set[Change] = set()
        self._stale = False
        self._retry_at = 0.0
        self._last_read = 0.0
        self._backoff = Backoff()
        self._turn: asyncio.Future[None] = self._loop.create_future()
        self._trying = False
        self._task: asyncio.Task[None] | None = None
        self._failure: UpstreamError | None = None
        self._met = False
        self._closing: set[asyncio.Task[None]] = set()
        self.events = Events(self.announce)
        self.conversation: Conversation | None = None
        self.inventory = Inventory(name, error="the upstream has not been reached yet")
        self.tried = asyncio.Event()
        self.waiting = False
        self.since = time.time()
        self.restarts = 0

    def start(self) -> None:
        """Begin in the background; `tried` is set after the first attempt."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the main conversation. Nothing is published any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self.conversation is not None:
            self._close(self.conversation)
        if self._closing:
            await asyncio.wait(tuple(self._closing))
        self.tried.set()
        self._end_turn()

    # ------------------------------------------------------------ what others tell and ask

    def announce(self, change: Change) -> None:
        """The upstream says that a list changed."""
        self._dirty.add(change)
        self._wake.set()

    def check(self) -> None:
        """Something failed or was missed: see whether the upstream is still there, reading all lists."""
        self._stale = True
        self._wake.set()

    async def ready(self, deadline: float) -> Conversation:
        """The main conversation, begun anew if it is dead.

        Raises `Unreachable` (``sent=False``), at once if an attempt failed a moment ago; `TimedOut` at `deadline`.
        """
        for _ in range(2):  # the first turn may be that of a reading that fails because the connection is lost
            if self.conversation is not None and self.conversation.alive:
                return self.conversation
            if not self._trying and self._loop.time() < self._retry_at:
                break
            self.check()
            await self._ended_turn(deadline)
        if self.conversation is not None and self.conversation.alive:
            return self.conversation
        raise self._unreachable()

    async def reread(self, deadline: float) -> None:
        """Have all lists read by a reading that begins now or later; whether it went well, `inventory` tells.

        Raises `TimedOut`.
        """
        if self._trying:
            await self._ended_turn(deadline)
        self.check()
        await self._ended_turn(deadline)

    async def _ended_turn(self, deadline: float) -> None:
        """Wait until the reading under way, or the next, has ended."""
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(self._turn)
        except TimeoutError:
            raise TimedOut("the upstream was not reached in time", sent=False, upstream=self._name) from None

    def _unreachable(self) -> UpstreamError:
        reason = self._failure.message if self._failure is not None else "the upstream is not available"
        return Unreachable(reason, sent=False, upstream=self._name)

    # ------------------------------------------------------------ the life of the upstream

    async def _run(self) -> None:
        while True:
            try:
                began = await self._begin()
                if began is not None:
                    await self._tend(began)
            except ConnectionRequired:
                self._wait_for_person()
            except UpstreamError as error:
                self._failure = error
            except Exception as error:  # the outer edge of this task: an upstream must not stay unattended
                self._log.error("upstream_supervision_failed", error=type(error).__name__)
                self._failed(Unreachable("the upstream cannot be used", sent=False))
            await self._rest()

    async def _rest(self) -> None:
        """Wait before the next attempt. Calls that come meanwhile end the wait, not within `_HASTE` of a failure."""
        delay = POLL_SECONDS * random.uniform(0.9, 1.1) if self.waiting else self._backoff.next()
        if not self.waiting and delay > _HASTE and self.inventory.available and not self._stale:
            self._down(self._failure or Unreachable("the upstream keeps ending the connection", sent=False))
        end = self._loop.time() + delay
        while (now := self._loop.time()) < end and not (self._stale and now >= self._retry_at):
            self._wake.clear()
            await self._slept((min(end, self._retry_at) if self._stale else end) - now)

    async def _slept(self, seconds: float) -> bool:
        """Wait until woken; False when `seconds` passed first."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _begin(self) -> Conversation | None:
        """Connect and read everything; None if that failed."""
        self._trying, self._stale = True, False
        self._dirty.clear()
        events = Events(self.announce)
        try:
            self._last_read = self._loop.time()
            conversation, inventory = await self._own.reach(
                Hello(on_event=events, on_lost=self._lost), self.inventory, self._close
            )
        except ConnectionRequired:
            self._wait_for_person()
            return None
        except UpstreamError as error:
            self.waiting = False
            self._failed(error)
            self._down(error)
            return None
        else:
            self.waiting = self._met = False
            self._lasting.began(conversation)
            old, self.conversation, self.events = self.conversation, conversation, events
            self._failure = None
            if old is not None:
                self.restarts += 1
                self._close(old)
            self._now(inventory)
            if old is not None:
                self._replaced()
            return conversation
        finally:
            self._trying = False
            self._end_turn()
            self.tried.set()

    def _now(self, inventory: Inventory) -> None:
        """`inventory` is what is known from now on."""
        was, self.inventory = self.inventory, inventory
        if not was.available:
            self.since = time.time()
            self._log.info("upstream_available", version=inventory.version, tools=len(inventory.tools))
        if inventory != was:
            self._publish(InventoryChanged(inventory))
        if not was.available:
            self._recovered()

    # ------------------------------------------------------------ what only people are shown

    def _wait_for_person(self) -> None:
        """The upstream answers, and has nothing for the gateway itself: no failure, and no use in trying again soon."""
        self.waiting, self._trying, self._failure = True, False, None
        self._retry_at = self._loop.time() + _STILL_WAITING
        self._backoff.reset()
        self._end_turn()
        was = self.inventory
        if not self._met:
            self.inventory = Inventory(self._name, error=WAITS, waits_for_person=True)
        elif not was.available:
            self.inventory = replace(was, available=True, error=None)
        if self.inventory != was:
            self.since = time.time()
            self._log.info("upstream_waits_for_person" if not self._met else "upstream_available")
            self._publish(InventoryChanged(self.inventory))

    def met(self, conversation: Conversation, inventory: Inventory) -> None:
        """A person's request has read the lists while `waiting`. `conversation` holds nothing of that person."""
        self._met = True
        old = self.conversation
        if old is None or not old.alive or old.version != conversation.version:
            self._lasting.began(conversation)
            self.conversation = conversation
            if old is not None:
                self._close(old)
        self._now(inventory)
        if old is not None and self.conversation is not old:
            self._replaced()

    def _close(self, conversation: Conversation) -> None:
        """In the background: ending a process takes its time."""
        self._lasting.ended(conversation)
        task = asyncio.create_task(conversation.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _lost(self, reason: UpstreamError) -> None:
        if self.conversation is not None and not self.conversation.alive:
            self._failure = reason
            self._wake.set()

    def _failed(self, error: UpstreamError) -> None:
        self._failure = error
        self._retry_at = self._loop.time() + _HASTE

    def _down(self, error: UpstreamError) -> None:
        text = error.message
        if isinstance(error, Rejected):  # its message is the upstream's own
            text = f"the upstream refused to be read: HTTP {error.status}, error {error.code}"
        was = self.inventory
        if was.available or was.error != text:
            if was.available:
                self.since = time.time()
            self._log.warning("upstream_unavailable", error=text)
            self.inventory = replace(was, available=False, error=text, waits_for_person=False)
            self._publish(InventoryChanged(self.inventory))

    # ------------------------------------------------------------ while it is up

    async def _tend(self, conversation: Conversation) -> None:
        """Keep the inventory current until the conversation is lost or the upstream no longer answers."""
        began = self._loop.time()
        follow = Follow(
            conversation,
            fields=self._own.to_listen,
            announce=self.announce,
            missed=self.check,
            broken=self.check,
        )
        follow.start()
        try:
            poll_at = self._poll_at(follow)
            while conversation.alive:
                await self._slept(self._nap(conversation, poll_at))
                self._wake.clear()
                if not conversation.alive:
                    break
                if self._dirty or self._stale or self._loop.time() >= poll_at:
                    await self._refresh(conversation, follow, everything=self._loop.time() >= poll_at)
                    poll_at = self._poll_at(follow)
            if conversation.version == MODERN and self._connector.kind != "stdio":
                self._connector.forget()  # the answer to some call contradicted the era
        finally:
            follow.stop()
            if self._loop.time() - began > _STEADY_SECONDS:
                self._backoff.reset()

    def _nap(self, conversation: Conversation, poll_at: float) -> float:
        left = max(0.0, poll_at - self._loop.time())
        return left if conversation.version == MODERN else min(left, _PULSE)

    async def _refresh(self, conversation: Conversation, follow: Follow, *, everything: bool) -> None:
        """One reading for all that was announced. Raises `UpstreamError` when the upstream is no longer there."""
        await asyncio.sleep(max(_GATHER, self._last_read + _SPACING - self._loop.time()))
        self._wake.clear()
        announced, self._dirty = frozenset(self._dirty), set()
        everything, self._stale = everything or self._stale, False
        listings = EVERYTHING if everything else frozenset[Listing]().union(*(LISTINGS[each] for each in announced))
        # If this fails, the attempt goes on in `_begin`: only then do those who wait for its end go on as well.
        self._trying = True
        inventory = self.inventory
        try:
            inventory = await self._read(conversation, listings)
        except Rejected as error:
            if contradicts_era(conversation, error):
                self._connector.forget()
                raise
            self._log.warning("list_refused", code=error.code)
        was, self.inventory = self.inventory, inventory
        self._trying = False
        self._end_turn()
        if announced or inventory != was:
            self._publish(InventoryChanged(inventory, announced))

    async def _read(self, conversation: Conversation, listings: frozenset[Listing]) -> Inventory:
        self._last_read = self._loop.time()
        return await self._own.read(conversation, self.inventory, listings)

    def _end_turn(self) -> None:
        ended, self._turn = self._turn, self._loop.create_future()
        if not ended.done():
            ended.set_result(None)

    def _poll_at(self, follow: Follow) -> float:
        """When the lists are to be read again unasked."""
        followed = {listing for change in follow.promised for listing in LISTINGS[change]}
        ttls = [hint.ttl_ms / 1000 for listing, hint in self.inventory.hints.items() if listing not in followed]
        shortest = min((ttl for ttl in ttls if ttl > 0), default=POLL_SECONDS)
        wait = min(max(shortest, SHORTEST_POLL), POLL_SECONDS)
        return self._loop.time() + wait * random.uniform(0.9, 1.1)
