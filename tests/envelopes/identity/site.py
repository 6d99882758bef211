"""A door with an issuer and virtual accounts behind it, and a clock in the hand of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.errors import IdentityUnavailable, Unauthenticated
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.door import Door
from mcp_gateway.envelopes.identity.issuer import Issuer
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.identity.stores import VirtualAccount
from mcp_gateway.envelopes.identity.verify import Verify
from tests.envelopes.identity.issuing import DESK, Clock, IssuerDouble, bearer_of, issuer_double

OTHER = ProtectedResource.of("http://gw.test", "/servers/other/mcp")


class ScriptedAccounts:
    """Virtual accounts in memory; counts look-ups. Only `find` is what the door uses."""

    def __init__(self, **accounts: VirtualAccount) -> None:
        self.accounts = accounts
        self.asked = 0
        self.down = False

    async def find(self, key: Secret) -> VirtualAccount | None:
        self.asked += 1
        if self.down:
            raise IdentityUnavailable("the store is down")
        return self.accounts.get(key.reveal())

    async def create(self, account: VirtualAccount) -> Secret:
        raise NotImplementedError

    async def rotate(self, name: str, *, grace: float = 0.0) -> Secret | None:
        raise NotImplementedError

    async def revoke(self, name: str) -> bool:
        raise NotImplementedError

    async def list(self) -> list[VirtualAccount]:
        raise NotImplementedError


@dataclass
class Site:
    """A door, the issuer behind it, and the time."""

    door: Door
    idp: IssuerDouble
    clock: Clock
    accounts: ScriptedAccounts
    fetcher: Fetcher

    async def enter(self, *tokens: str, resource: ProtectedResource = DESK) -> Principal:
        """What a plane does with a request that bears these tokens."""
        scope = bearer_of(tokens)
        return self.door.recall(scope, resource) or await self.door.verify(scope, resource)

    async def refused(self, *tokens: str, resource: ProtectedResource = DESK) -> str:
        """The reason in the log, after checking that the answer is the one answer for bad tokens."""
        return await refused(self.door, bearer_of(tokens), resource)


async def refused(door: Door, scope: dict[str, Any], resource: ProtectedResource = DESK) -> str:
    assert door.recall(scope, resource) is None
    with capture_logs() as logs, pytest.raises(Unauthenticated) as caught:
        await door.verify(scope, resource)
    assert caught.value.message == "the access token is not valid for this resource"
    assert caught.value.challenge == resource.bad_token_challenge
    (line,) = [log for log in logs if log["event"] == "token refused"]
    reason: str = line["reason"]
    assert len(reason) < 24 and reason.replace("_", "").isalpha()
    return reason


@asynccontextmanager
async def site(
    *, anonymous: bool = False, accounts: ScriptedAccounts | None = None, **spec: object
) -> AsyncIterator[Site]:
    async with issuer_double() as (idp, fetcher):
        clock = Clock()
        issuer = Issuer(idp.settings(**spec), fetcher, wall=clock.wall, clock=clock.monotonic)
        held = accounts or ScriptedAccounts()
        verify = Verify([issuer], held, wall=clock.wall, clock=clock.monotonic)
        door = Door(verify, anonymous=anonymous, wall=clock.wall, clock=clock.monotonic)
        try:
            yield Site(door, idp, clock, held, fetcher)
        finally:
            await door.close()
