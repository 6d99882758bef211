"""The stage that asks for accounts, before an upstream that wants one; sessions and calls for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mcp_gateway.calls.connect import PURPOSE, AskToConnect
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.call import Client, Json
from mcp_gateway.core.errors import ConnectionRequired
from mcp_gateway.core.pipeline import compose
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.connections import Connections
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from mcp_gateway.envelopes.identity.tickets import Tickets
from tests.calls.making import call, invocation
from tests.envelopes.identity.memory import MemoryVault

KEY = b"k" * 32
URL_MODE: Json = {"elicitation": {"url": {}}}
ALICE = Principal(id="corp|alice", subject="alice", client_id="agent-7")
GRANT = GrantKey("corp|alice", "up")
DONE: Result = {"resultType": "complete", "content": []}


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Session:
    """A `core.call.Session` that keeps what it is told."""

    id = "s"
    log_level: str | None = None

    def __init__(self) -> None:
        self.told: list[tuple[str, Json]] = []
        self.held: dict[str, Callable[[], None]] = {}
        self.news = asyncio.Event()

    def notify(self, method: str, params: Json) -> None:
        self.told.append((method, params))
        self.news.set()

    def hold(self, key: str, release: Callable[[], None]) -> None:
        self.held[key] = release

    def release(self, key: str) -> None:
        found = self.held.pop(key, None)
        if found is not None:
            found()


class Nothing:
    """A log."""

    def info(self, event: str, /, **facts: object) -> None:
        return

    warning = info


class Bench:
    """The stage before an upstream that wants a connected account, with the state of upstreams sealed behind it."""

    def __init__(self, *, scopes: tuple[str, ...] = ("a", "b")) -> None:
        self.vault = MemoryVault()
        self.clock = Clock()
        self.tickets = Tickets(
            Sealer((KEY,), "connect"), "https://gw", login=lambda: {"corp"}, anonymous=False, clock=self.clock
        )
        self.connections = Connections(
            self.vault, forget=lambda *key: None, revoke=self._revoke, log=Nothing(), poll=0.001
        )
        self.stage = AskToConnect(self.tickets, self.connections, Sealer((KEY,), PURPOSE))
        self.handler = compose([self.stage, SealState(Sealer((KEY,), "request-state"))], self._upstream)
        self.scopes = scopes
        self.seen: list[Json] = []
        self.wanted = 0

    async def _revoke(self, grant: Grant) -> None:
        return

    async def _upstream(self, got: Invocation) -> Result:
        grant = self.vault.rows.get(GrantKey(got.call.principal.id, got.upstream))
        if grant is None or grant.version <= self.wanted:
            raise ConnectionRequired("an account is missing", upstream=got.upstream, scopes=self.scopes)
        self.seen.append(got.params)
        return DONE

    async def connect(self, key: GrantKey = GRANT) -> None:
        await self.connections.store(Grant(key=key, kind="oauth", tokens=Tokens(access_token=Secret("t"))))

    def ticket(self, link: str) -> Any:
        return self.tickets.read(link.removeprefix("https://gw/connect/"))


def asking(
    params: Json | None = None,
    *,
    principal: Principal = ALICE,
    version: str = "2026-07-28",
    capabilities: Json | None = None,
    session: Session | None = None,
    deadline: float = float("inf"),
    server: str = "desk",
    **changes: Any,
) -> Invocation:
    client = Client(version, version >= "2026", URL_MODE if capabilities is None else capabilities, {"name": "Desk"})
    made = call(principal=principal, client=client, session=session, deadline=deadline, server=server)
    return invocation({"name": "echo", "arguments": {"n": 1}} if params is None else params, call=made, **changes)


def answered(first: Result, action: object = "accept", **changes: Any) -> Json:
    """The params of the retry that answers `first`."""
    answers = {name: {"action": action} for name in first["inputRequests"]}
    retry = {"inputResponses": answers, "requestState": first["requestState"]}
    return {"name": "echo", "arguments": {"n": 1}, **retry, **changes}


def link_of(result: Result) -> str:
    url: str = result["inputRequests"]["connect-up"]["params"]["url"]
    return url
