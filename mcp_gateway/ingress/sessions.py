"""Handshake-era sessions.

A session id is self-contained: it is the sealed text of what was agreed at `initialize`, so that another
replica (or this one after a restart) can serve the next request. What cannot be in it (log level, streams,
subscriptions, requests in flight) is soft state of this process, made anew where it is missing.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import orjson

from mcp_gateway.core.call import Json
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.seal import SealBroken, Sealer
from mcp_gateway.ingress.stream import EventStream

SESSION_SECONDS: Final = 24 * 3600
"""After this long a session id is no longer taken, and the client initializes again."""

IDLE_SECONDS: Final = 3600.0
"""Soft state of a session that was not used for so long is let go."""

_MAX_SESSIONS: Final = 10_000
_MAX_STREAMS: Final = 64
_KEPT_EVENTS: Final = 256
_RELAYED: Final = ("roots", "sampling", "elicitation")
_STANDALONE: Final = "g"


Ended = Callable[[str, str, float], None]
"""Told of each session that is over: the virtual server, the protocol version, seconds."""


class HandshakeSession:
    """One session. Implements `core.call.Session`."""

    def __init__(
        self, token: str, key: str, version: str, capabilities: Json, info: Json | None, made: float, *, own: bool
    ) -> None:
        """`made` is when it was initialized, in seconds since 1970; `own` whether by this process."""
        self.id = token
        self.made = made
        self.own = own
        self.key = key
        self.version = version
        self.capabilities = capabilities
        self.info = info
        self.log_level: str | None = None
        self.used = time.monotonic()
        self.standalone = EventStream(_STANDALONE, keep=_KEPT_EVENTS, expected=False)
        self.tasks: dict[str | int, asyncio.Task[object]] = {}
        self.asked: dict[str | int, asyncio.Future[Json]] = {}
        self._streams: OrderedDict[str, EventStream] = OrderedDict()
        self._held: dict[str, Callable[[], None]] = {}
        self._count = 0

    def notify(self, method: str, params: Json) -> None:
        message: Json = {"jsonrpc": "2.0", "method": method}
        if params:
            message["params"] = params
        self.standalone.push(message)

    def hold(self, key: str, release: Callable[[], None]) -> None:
        self.release(key)
        self._held[key] = release

    def release(self, key: str) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            held()

    def stream(self, name: str) -> EventStream | None:
        """The stream that event ids of `name` belong to, if it is still known."""
        return self.standalone if name == _STANDALONE else self._streams.get(name)

    def new_stream(self) -> EventStream:
        """A stream for one response; the oldest ones are forgotten beyond a bound."""
        self._count += 1
        name = f"r{self._count}"
        stream = EventStream(name, keep=_KEPT_EVENTS)
        self._streams[name] = stream
        if len(self._streams) > _MAX_STREAMS:
            self._streams.popitem(last=False)
        return stream

    def next_ask(self) -> str:
        """An id for a request to the client, unlike any other of this session."""
        self._count += 1
        return f"gateway-{self._count}"

    def end(self) -> None:
        """Cancel what is in flight and let go of everything held."""
        # Out of the list first: requests see that they were cancelled on purpose, and end their responses.
        cancelled, self.tasks = self.tasks, {}
        for task in cancelled.values():
            task.cancel()
        for future in tuple(self.asked.values()):
            future.cancel()
        for key in tuple(self._held):
            self.release(key)
        for stream in (self.standalone, *self._streams.values()):
            stream.end()


class Sessions:
    """Makes, finds and ends sessions. Bound to virtual server and principal: a foreign id looks unknown."""

    def __init__(self, sealer: Sealer, ended: Ended | None = None) -> None:
        """`ended` is told of each session that was ended, or not used any more; of one that several processes served
        by the one that made it, unless another was asked to end it."""
        self._sealer = sealer
        self._told = ended or _nobody
        self._live: OrderedDict[str, HandshakeSession] = OrderedDict()
        self._ended: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def create(
        self, server: str, principal: Principal, version: str, capabilities: Json, info: Json | None
    ) -> HandshakeSession:
        """A new session after `initialize`. Only capabilities that the gateway can relay are remembered."""
        relayed = {key: capabilities[key] for key in _RELAYED if isinstance(capabilities.get(key), dict)}
        shown = {key: info[key][:64] for key in ("name", "version") if isinstance(info.get(key), str)} if info else None
        made = time.time()
        payload = orjson.dumps([version, relayed, shown, int(made)])
        token = self._sealer.seal(payload, _bound(server, principal))
        return self._remember(token, _bound(server, principal), version, relayed, shown, made, own=True)

    def find(self, token: str, server: str, principal: Principal) -> HandshakeSession | None:
        """The session of `token`; None when it is unknown, foreign, ended or too old."""
        bound = _bound(server, principal)
        session = self._live.get(token)
        if session is not None and session.key == bound.decode():
            session.used = time.monotonic()
            self._live.move_to_end(token)
            return session
        if token in self._ended:
            return None
        try:
            version, capabilities, info, made = orjson.loads(self._sealer.open(token, bound))
        except (SealBroken, ValueError):
            return None
        if made + SESSION_SECONDS < time.time():
            return None
        return self._remember(token, bound, version, capabilities, info, made, own=False)

    def end(self, session: HandshakeSession) -> None:
        """End a session: its id is not taken again by this process."""
        self._live.pop(session.id, None)
        self._ended[session.id] = time.time() + SESSION_SECONDS
        while len(self._ended) > _MAX_SESSIONS:
            self._ended.popitem(last=False)
        session.end()
        self._tell(session, time.time())

    def end_streams(self) -> None:
        """End every standalone stream; calls in flight go on."""
        for session in self._live.values():
            session.standalone.end()

    def close(self) -> None:
        """Let go of all soft state; the ids stay good."""
        for session in self._live.values():
            session.end()
        self._live.clear()

    def _tell(self, session: HandshakeSession, over: float) -> None:
        self._told(session.key.partition("\0")[0], session.version, max(0.0, over - session.made))

    def _remember(
        self, token: str, bound: bytes, version: str, capabilities: Json, info: Json | None, made: float, *, own: bool
    ) -> HandshakeSession:
        self._let_go_of_idle()
        session = HandshakeSession(token, bound.decode(), version, capabilities, info, made, own=own)
        self._live[token] = session
        return session

    def _let_go_of_idle(self) -> None:
        horizon = time.monotonic() - IDLE_SECONDS
        while self._live:
            oldest = next(iter(self._live.values()))
            if len(self._live) < _MAX_SESSIONS and (oldest.used > horizon or oldest.tasks or oldest.standalone.read):
                return
            del self._live[oldest.id]
            oldest.end()
            if oldest.own and oldest.used <= horizon:
                self._tell(oldest, time.time() - (time.monotonic() - oldest.used))


def _nobody(server: str, version: str, seconds: float) -> None:
    return None


def _bound(server: str, principal: Principal) -> bytes:
    return f"{server}\0{principal.binding}".encode()
