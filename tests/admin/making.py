"""A control plane in this process: over a gateway that is made up, before a door that knows its bearers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from httpx import ASGITransport, AsyncClient

from mcp_gateway.admin.api import build
from mcp_gateway.admin.changes import Changes
from mcp_gateway.admin.control import Reloaded
from mcp_gateway.admin.guard import Entrance, Guard
from mcp_gateway.core.asgi.hosts import AllowedOrigins
from mcp_gateway.core.errors import IdentityUnavailable, Unauthenticated
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.ledger.usage import Group, UnknownKey
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.refusals import Refusals

BASE: Final = "http://127.0.0.1:8081"
RESOURCE: Final = ProtectedResource(BASE, "Control plane")


class Control:
    """A gateway with two connections. With `down`, its database is."""

    def __init__(self) -> None:
        self.down = False
        self.reloads = 0
        self.rows: list[dict[str, Any]] = [
            {"principal": "corp|alice", "upstream": "tickets"},
            {"principal": "corp|https://id/a/b", "upstream": "tickets"},
        ]
        self.groups: list[Group] = []
        self.asked: list[tuple[Any, ...]] = []

    async def connections(
        self, principal: str | None, upstream: str | None, *, after: tuple[str, str] | None, most: int
    ) -> Sequence[Mapping[str, Any]]:
        if self.down:
            raise IdentityUnavailable("the vault cannot be asked", retry_after=7.0)
        found = [
            row
            for row in self.rows
            if principal in (None, row["principal"]) and upstream in (None, row["upstream"])
            if after is None or (row["principal"], row["upstream"]) > after
        ]
        return found[:most]

    async def disconnect(self, principal: str, upstream: str) -> dict[str, Any] | None:
        found = await self.connections(principal, upstream, after=None, most=1)
        for row in found:
            self.rows.remove(dict(row))
        return {**found[0], "revocation": "started"} if found else None

    async def usage(self, by: Sequence[str], *, since: float, until: float | None, most: int) -> list[Group]:
        if self.down:
            raise IdentityUnavailable("the database cannot be asked", retry_after=7.0)
        if "bad key" in by:
            raise UnknownKey("bad key")
        self.asked.append((tuple(by), since, until, most))
        return self.groups

    def ready(self) -> tuple[bool, str]:
        return True, "ready"

    def servers(self) -> list[dict[str, Any]]:
        return []

    def server(self, name: str) -> dict[str, Any] | None:
        return None

    def upstreams(self) -> list[dict[str, Any]]:
        return []

    def snapshot(self) -> dict[str, Any]:
        return {"version": "s", "configuration": "c", "servers": {}, "notices": []}

    def metrics(self) -> str:
        return "up 1\n"

    async def reload(self) -> Reloaded:
        self.reloads += 1
        return Reloaded(True, "s")

    def identities(self) -> list[str]:
        return []

    async def access(
        self,
        who: str,
        *,
        teams: tuple[str, ...],
        scopes: tuple[str, ...],
        email: str | None,
        claims: Mapping[str, object],
    ) -> dict[str, Any]:
        return {}

    def definitions(self, upstream: str) -> dict[str, Any] | None:
        return None


@dataclass(frozen=True, slots=True)
class Given:
    """Roles as they are configured."""

    reader: Sequence[str] = ()
    operator: Sequence[str] = ()
    admin: Sequence[str] = ()


ROLES: Final = Given(reader=["corp|rita", "virtual_account:prom"], operator=["team:ops"], admin=["corp|ada"])
PEOPLE: Final[Mapping[str, Principal]] = {
    "rita": Principal("corp|rita", "rita"),
    "otto": Principal("corp|otto", "otto", teams=("ops",)),
    "ada": Principal("corp|ada", "ada"),
    "nobody": Principal("corp|nobody", "nobody"),
    "prom": Principal("virtual_account:prom", "prom", kind="virtual_account"),
}


@dataclass(slots=True)
class Door:
    """Knows people by their names as bearers."""

    people: Mapping[str, Principal] = field(default_factory=lambda: PEOPLE)
    down: bool = False

    def recall(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal | None:
        return None

    async def verify(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        if self.down:
            raise IdentityUnavailable("the issuer cannot be asked", retry_after=3.0)
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        principal = self.people.get(given.removeprefix("Bearer "))
        if principal is None:
            raise Unauthenticated("an access token is needed", challenge=resource.challenge)
        return principal


@dataclass(slots=True)
class Plane:
    """A control plane and what stands behind it."""

    control: Control
    door: Door
    guard: Guard
    lines: MemoryLines
    measures: Measures

    def records(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines.records if line["event"] == event]

    def client(self, bearer: str = "", **headers: str) -> AsyncClient:
        """Somebody who asks it, from a host of that name."""
        credential = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return AsyncClient(transport=ASGITransport(self.guard), base_url=BASE, headers={**credential, **headers})


def plane(
    control: Control | None = None,
    *,
    guarded: bool = True,
    record: Path | None = None,
    on_loopback: bool = True,
    open_metrics: bool = False,
    roles: Given = ROLES,
    unknown: int = 10_000,
) -> Plane:
    """Without `guarded`, nobody is asked for a credential. `unknown` bounds the records of strangers.

    Call it inside the running loop.
    """
    control, door = control or Control(), Door()
    lines, measures = MemoryLines(), Measures()
    entrance = Entrance(door, RESOURCE, roles, open_metrics) if guarded else None
    guard = Guard(
        build(control, version="1", record=record),
        AllowedOrigins.derive(BASE, listen=("127.0.0.1", 8081)),
        entrance=lambda: entrance,
        refused=Refusals(lines, measures, most=unknown),
        changes=Changes(lines, measures),
        on_loopback=on_loopback,
    )
    return Plane(control, door, guard, lines, measures)
