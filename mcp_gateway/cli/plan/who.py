"""For whom a plan is made: those whom the policies name, those who have a key, and those whom nothing names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mcp_gateway.core.named import ACCOUNT, ANYBODY, TEAM, UnknownPrincipal, named
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import VirtualAccount
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.settings import Settings

SECONDS: Final = 30.0
"""The longest that the database is waited for."""


@dataclass(frozen=True, slots=True)
class Who:
    """One identity as it is asked about: its name and what a token or a key would say of it."""

    name: str
    teams: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    email: str | None = None
    claims: dict[str, list[str]] = field(default_factory=dict)

    def principal(self, settings: Settings) -> Principal | None:
        """The principal in a gateway of `settings`; None where there can be none of that name."""
        try:
            return named(
                self.name,
                settings.identity.by_name,
                teams=self.teams,
                scopes=self.scopes,
                email=self.email,
                claims=self.claims,
                anonymous=settings.gateway.anonymous_allowed,
                accounts=settings.identity.virtual_accounts,
            )
        except UnknownPrincipal:
            return None

    def query(self) -> list[tuple[str, str]]:
        """The same as the control plane takes it."""
        asked = [
            ("as", self.name),
            *(("team", each) for each in self.teams),
            *(("scope", each) for each in self.scopes),
        ]
        asked += [("email", self.email)] if self.email is not None else []
        return [*asked, *(("claim", f"{name}={value}") for name, values in self.claims.items() for value in values)]


def everybody(settings: Settings, mentioned: Iterable[str], accounts: Sequence[VirtualAccount]) -> list[Who]:
    """One of each kind: anonymous, anybody, each team, each account with its teams, each person `mentioned`."""
    people = set(mentioned)
    named_teams = {each.removeprefix(TEAM) for each in people if each.startswith(TEAM)}
    keyed = {f"{ACCOUNT}{each.name}": Who(f"{ACCOUNT}{each.name}", each.teams, each.scopes) for each in accounts}
    teams = sorted(named_teams.union(*(each.teams for each in accounts)))
    others = sorted(each for each in people if not each.startswith(TEAM) and each != ANONYMOUS.id)
    found = [Who(ANONYMOUS.id)] if settings.gateway.anonymous_allowed else []
    found += [Who(ANYBODY)] if settings.identity.issuers else []
    found += [Who(TEAM + each) for each in teams]
    found += [keyed[name] if name in keyed else Who(name) for name in sorted({*others, *keyed})]
    return found


def accounts_of(settings: Settings) -> Sequence[VirtualAccount]:
    """The virtual accounts whose keys work now. Raises `ConfigurationError` and `IdentityUnavailable`."""
    if not settings.identity.virtual_accounts:
        return ()
    now = time.time()
    return [
        each
        for each in asyncio.run(_accounts(settings))
        if each.revoked_at is None and (each.expires_at is None or each.expires_at > now)
    ]


async def _accounts(settings: Settings) -> Sequence[VirtualAccount]:
    state = await State.open(settings.state.database, key_ring(settings.state), settings.state.tenant, seconds=SECONDS)
    try:
        return await state.accounts.list()
    finally:
        await state.close()
