"""A call that lacks a person's account at an upstream becomes a question to that person.

What misses the credential raises `ConnectionRequired` without a link. Here it gets one, and is put to the client in
the way the client understands: an `input_required` result with a URL-mode elicitation (2026-07-28), error -32042
(2025-11-25), or an error that holds the link.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.state import STATE_SECONDS, bound_to
from mcp_gateway.core import strictjson
from mcp_gateway.core.call import Session
from mcp_gateway.core.errors import ConnectionRequired, Invalid, UrlElicitation
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.seal import SealBroken, Sealer
from mcp_gateway.envelopes.identity.connections import Connections
from mcp_gateway.envelopes.identity.stores import GrantKey
from mcp_gateway.envelopes.identity.tickets import TICKET_SECONDS, Tickets

PURPOSE: Final = "connect-state"
"""Of the sealer of this stage's own `requestState`."""

WAIT_SECONDS: Final = 25.0
"""How long a retry waits for a person who has said to be on the way; many a client gives up at 30 s."""

_MARGIN: Final = 2.0
"""Of the call's time, left for the answer."""

_PREFIX: Final = "connect."
"""Tells this stage's state from that of an upstream: a sealed token holds no dot."""

_MOST_STATE: Final = 256 * 1024
"""Characters of a state; a call whose earlier answers do not fit is told the link instead."""

_MOST_WATCHES: Final = 10_000
_LEFT_ALONE: Final = 60
"""Seconds before its end at which a link is not handed out again."""

_RETRIED: Final = ("requestState", "inputResponses")
_ASKABLE: Final = frozenset({Kind.TOOL, Kind.PROMPT, Kind.RESOURCE})
_URL_MODE_SINCE: Final = "2025-11-25"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What this stage's state says.

    The link that was given and when, for which scopes; the version of the grant that was there; and the retry that
    the call already was when it was interrupted.
    """

    expires: int
    link: str
    made: int
    scopes: Sequence[str]
    version: int | None
    retried: Mapping[str, Any]


class AskToConnect:
    """Gives links out, and lets calls go on once their accounts are connected."""

    __slots__ = ("_connections", "_sealer", "_tickets", "_watches")

    def __init__(self, tickets: Tickets, connections: Connections, sealer: Sealer) -> None:
        self._tickets = tickets
        self._connections = connections
        self._sealer = sealer
        self._watches: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Result:
        state = call.params.get("requestState")
        if isinstance(state, str) and state.startswith(_PREFIX):
            asked, answer = self._open(call, state), _answer(call)
            call = _as_it_was(call, asked)
            match answer:
                case "accept":
                    if not await self._connected(call, asked):
                        return self._ask(call, asked)
                case "decline" | "cancel":
                    return self._declined(call, asked)
                case _:
                    return self._ask(call, asked)
        try:
            return await call_next(call)
        except ConnectionRequired as error:
            if error.link:
                raise
            return await self._required(call, error)

    async def _required(self, call: Invocation, error: ConnectionRequired) -> Result:
        hindrance = self._tickets.hindrance(call.call.principal, error.upstream)
        if hindrance is not None:
            raise ConnectionRequired(hindrance, upstream=error.upstream, scopes=error.scopes) from error
        client = call.call.client
        link = self._link(call, error.scopes)
        if call.kind not in _ASKABLE or client.version < _URL_MODE_SINCE or not _opens_links(client.capabilities):
            raise _refusal(call, link, error.scopes) from error
        if client.modern:
            now = int(time.time())
            version = await self._connections.version(_key(call))
            retried: dict[str, Any] = {name: call.params[name] for name in _RETRIED if name in call.params}
            return self._ask(call, _Asked(now + STATE_SECONDS, link, now, error.scopes, version, retried))
        elicitation = secrets.token_urlsafe(16)
        if call.call.session is not None:
            version = await self._connections.version(_key(call))
            self._tell_when_done(call.call.session, elicitation, _key(call), version)
        raise UrlElicitation(_words(call), upstream=error.upstream, link=link, elicitation=elicitation) from error

    # ------------------------------------------------------------------ 2026-07-28

    def _ask(self, call: Invocation, asked: _Asked) -> Result:
        """The question; once more with the same link, or with a new one when that is about to end."""
        now = int(time.time())
        if asked.made + TICKET_SECONDS - _LEFT_ALONE < now:
            asked = replace(asked, link=self._link(call, asked.scopes), made=now)
        fields = (now + STATE_SECONDS, asked.link, asked.made, asked.scopes, asked.version, asked.retried)
        state = _PREFIX + self._sealer.seal(strictjson.dumps(fields), bound_to(call))
        if len(state) > _MOST_STATE:
            raise _refusal(call, asked.link, asked.scopes)
        question = {"mode": "url", "url": asked.link, "message": _words(call)}
        return {
            "resultType": "input_required",
            "inputRequests": {_name(call): {"method": "elicitation/create", "params": question}},
            "requestState": state,
        }

    def _open(self, call: Invocation, state: str) -> _Asked:
        try:
            asked = _Asked(*strictjson.loads_upstream(self._sealer.open(state[len(_PREFIX) :], bound_to(call))))
            if asked.expires < time.time():
                raise SealBroken
        except SealBroken as error:
            raise Invalid("requestState is not valid for this request", pointer="/params/requestState") from error
        return asked

    async def _connected(self, call: Invocation, asked: _Asked) -> bool:
        deadline = min(call.call.deadline - _MARGIN, asyncio.get_running_loop().time() + WAIT_SECONDS)
        return await self._connections.wait(_key(call), other_than=asked.version, deadline=deadline)

    def _declined(self, call: Invocation, asked: _Asked) -> Result:
        words = f"The account at {call.upstream} was not connected: the request to connect it was declined."
        if call.kind is not Kind.TOOL:
            raise ConnectionRequired(words, upstream=call.upstream, link=asked.link)
        return {"resultType": "complete", "content": [{"type": "text", "text": words}], "isError": True}

    # ------------------------------------------------------------------ 2025-11-25

    def _tell_when_done(self, session: Session, elicitation: str, key: GrantKey, version: int | None) -> None:
        if len(self._watches) >= _MOST_WATCHES:
            return  # the client is not told, and may still try again
        task = asyncio.get_running_loop().create_task(self._tell(session, elicitation, key, version))
        self._watches.add(task)
        held = f"connect:{elicitation}"
        session.hold(held, lambda: _cancel(task))
        task.add_done_callback(self._watches.discard)
        task.add_done_callback(lambda _: session.release(held))

    async def _tell(self, session: Session, elicitation: str, key: GrantKey, version: int | None) -> None:
        deadline = asyncio.get_running_loop().time() + TICKET_SECONDS
        if await self._connections.wait(key, other_than=version, deadline=deadline):
            session.notify("notifications/elicitation/complete", {"elicitationId": elicitation})

    # ------------------------------------------------------------------ both

    def _link(self, call: Invocation, scopes: Sequence[str]) -> str:
        info = call.call.client.info or {}
        return self._tickets.link(
            call.call.principal,
            upstream=call.upstream,
            server=call.call.server,
            scopes=scopes,
            agent=info.get("title") or info.get("name"),
        )


def _key(call: Invocation) -> GrantKey:
    return GrantKey(call.call.principal.id, call.upstream)


def _name(call: Invocation) -> str:
    return f"connect-{call.upstream}"


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _words(call: Invocation) -> str:
    return f"Connect your account at {call.upstream}, so that {call.call.server} can use it for you."


def _refusal(call: Invocation, link: str, scopes: Sequence[str]) -> ConnectionRequired:
    # The link is in the text too: many a client shows its user, or its model, nothing else of an error.
    words = f"An account at {call.upstream} has to be connected first. Open this page, then try again: {link}"
    return ConnectionRequired(words, upstream=call.upstream, scopes=scopes, link=link)


def _opens_links(capabilities: Mapping[str, Any]) -> bool:
    elicitation = capabilities.get("elicitation")
    return isinstance(elicitation, dict) and isinstance(elicitation.get("url"), dict)


def _answer(call: Invocation) -> object:
    """What the person said to the question: accept, decline, cancel; None where nothing that makes sense came."""
    answers = call.params.get("inputResponses")
    ours = answers.get(_name(call)) if isinstance(answers, dict) else None
    return ours.get("action") if isinstance(ours, dict) else None


def _as_it_was(call: Invocation, asked: _Asked) -> Invocation:
    """The call as it was before it was interrupted: without our state, with what it then brought along."""
    params = {name: value for name, value in call.params.items() if name not in _RETRIED}
    return call._replace(params={**params, **asked.retried})
