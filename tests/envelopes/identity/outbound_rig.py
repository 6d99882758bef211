"""Credentials over a real database and a real (scripted) authorization server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.lease import NoLease
from mcp_gateway.envelopes.identity.credentials.make import Credentialing, Made, Stores
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey
from mcp_gateway.settings.upstreams import HttpUpstream
from tests.envelopes.identity.as_double import AuthorizationServer
from tests.support_state import fresh

LOOPBACK = ["127.0.0.1"]
REDIRECT = "http://127.0.0.1:8080/connect/callback"
KEYS = [b"k" * 32]
UPSTREAM = "tickets"
ALICE = Principal(id="corp|alice", subject="alice", client_id="agent-a", token=Secret("subject-alice"))
BOB = Principal(id="corp|bob", subject="bob", client_id="agent-b", token=Secret("subject-bob"))

silent = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(50))


def soon(seconds: float = 10.0) -> float:
    """A deadline that a passing test never reaches."""
    return asyncio.get_running_loop().time() + seconds


def upstream(server: AuthorizationServer, auth: Mapping[str, Any], **more: Any) -> HttpUpstream:
    """The settings of an upstream that is the resource of `server`."""
    return HttpUpstream.model_validate({"url": server.resource, "auth": auth, "egress": {"allow": LOOPBACK}, **more})


@dataclass
class Rig:
    """One process of a gateway as far as credentials go."""

    state: State
    fetcher: Fetcher
    make: Credentialing
    others: list[Credentialing] = field(default_factory=list)

    def another(self) -> Credentialing:
        """Another process over the same store."""
        stores = Stores(vault=self.state.vault, registrations=self.state.registrations, lease=NoLease())
        made = Credentialing(self.fetcher, stores, document_url="", log=silent)
        self.others.append(made)
        return made

    async def consent(
        self,
        server: AuthorizationServer,
        spec: HttpUpstream,
        principal: Principal = ALICE,
        scopes: tuple[str, ...] = (),
    ) -> Grant:
        """A person agrees: the whole flow, up to the stored grant."""
        authorizer = self.make.authorizer(UPSTREAM, spec)
        assert authorizer is not None
        begun = await authorizer.begin(state="state", redirect_uri=REDIRECT, scopes=scopes)
        key = GrantKey(principal.id, UPSTREAM)
        grant = await authorizer.complete(begun.pending, server.consent(begun.url), key=key, agent="an agent")
        stored = await self.state.vault.store(grant)
        self.make.hot.forget(principal.id, UPSTREAM)
        return stored

    async def age(self, principal: Principal = ALICE, *, left: float = -1.0) -> Grant:
        """The stored access token expires in `left` seconds; nothing is in memory."""
        grant = await self.state.vault.read(GrantKey(principal.id, UPSTREAM))
        assert grant is not None
        loop_time = grant.updated_at + left
        stored = await self.state.vault.store(replace(grant, tokens=replace(grant.tokens, expires_at=loop_time)))
        self.make.hot.forget(principal.id, UPSTREAM)
        return stored


@asynccontextmanager
async def rig(folder: Path, *, document_url: str = "") -> AsyncIterator[Rig]:
    """Over a fresh SQLite database."""
    with fresh("sqlite", folder) as url:
        state = await State.open(url, KEYS, "test")
        fetcher = Fetcher(Allowed())
        stores = Stores(vault=state.vault, registrations=state.registrations, lease=NoLease())
        made = Rig(state, fetcher, Credentialing(fetcher, stores, document_url=document_url, log=silent))
        try:
            yield made
        finally:
            for each in (made.make, *made.others):
                await each.close()
            await fetcher.close()
            await state.close()


def credentials_of(made: Credentialing, spec: HttpUpstream) -> Made:
    """The credentials of the upstream."""
    found = made.credentials(UPSTREAM, spec)
    assert found is not None
    return found
