"""`header` with `level: per_user`: each person has stored values of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.held import Held, Lacking, Outcome, warm_of
from mcp_gateway.envelopes.identity.hot import Fields, Hot
from mcp_gateway.envelopes.identity.stores import GrantKey, Vault


class PerUserHeader:
    """Values that people have stored. What is configured is for the gateway's own requests only."""

    def __init__(
        self, upstream: str, url: str, headers: Mapping[str, Secret | None], *, vault: Vault, hot: Hot
    ) -> None:
        """`url` is the upstream's: values stored for another address are not sent to this one."""
        self._url = url
        self._names = tuple(name.lower() for name in headers)
        self._own = MappingProxyType({n.lower(): value.reveal() for n, value in headers.items() if value is not None})
        self._vault = vault
        self._hot = hot
        self._held = Held(upstream, vault=vault, hot=hot, read=self._read)

    def at_hand(self, principal: Principal) -> Fields | None:
        if principal.kind == "gateway":
            return self._own
        return self._held.at_hand(principal.id)

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        if principal.kind == "gateway":
            return self._own
        return await self._held.obtain(principal.id, deadline)

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        """A value that was refused has to be entered anew, unless it has been meanwhile."""
        if principal.kind == "gateway":
            self._held.lack()
        if status != 401:
            return None
        return await self._held.obtain(principal.id, deadline, refused=refused)

    async def close(self) -> None:
        """End what is under way."""
        await self._held.close()

    async def _read(self, key: GrantKey, *, refused: Fields | None, ahead: bool) -> Outcome:
        grant = await self._vault.read(key)
        if grant is None or grant.status != "active" or grant.kind != "header":
            return Lacking()
        if grant.resource not in ("", self._url):
            return Lacking()
        held = {name.lower(): value.reveal() for name, value in grant.tokens.headers.items()}
        if any(name not in held for name in self._names):
            return Lacking()  # the configuration asks for more than was stored
        fields = MappingProxyType({name: held[name] for name in self._names})
        if fields == refused:
            await self._vault.exhaust(key, grant.version)
            return Lacking()
        return warm_of(grant, fields, now=self._hot.clock())
