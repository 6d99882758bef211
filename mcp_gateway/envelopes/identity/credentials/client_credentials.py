"""`client_credentials`: the gateway's own token, the same for everybody."""

from __future__ import annotations

from typing import Final

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.hot import Fields
from mcp_gateway.envelopes.identity.minted import Minted
from mcp_gateway.envelopes.identity.token_client import as_refusal
from mcp_gateway.envelopes.identity.token_source import TokenSource
from mcp_gateway.envelopes.identity.token_wire import Issued, TokenError

_ONE: Final = b"own"


class ClientCredentials:
    """RFC 6749 §4.4, with a secret or private_key_jwt. Minted again ahead of expiry while it is in use."""

    def __init__(
        self,
        source: TokenSource,
        minted: Minted,
        *,
        scopes: tuple[str, ...] = (),
        audience: str | None = None,
        resource: str | None = None,
    ) -> None:
        """`minted` is this upstream's alone."""
        self._source = source
        self._minted = minted
        self._params = own_params(scopes, audience, resource)

    def at_hand(self, principal: Principal) -> Fields | None:
        token = self._minted.at_hand(_ONE, self._mint, None)
        return None if token is None else token.fields

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        try:
            return (await self._minted.obtain(_ONE, self._mint, None, deadline)).fields
        except TokenError as error:
            raise as_refusal(error) from None

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        if status != 401 or not self._minted.refuse(_ONE, refused):
            return None
        return await self.obtain(principal, deadline)

    async def close(self) -> None:
        """End what is under way."""
        await self._minted.close()

    async def _mint(self, about: None) -> Issued:
        return await self._source.ask(self._params)


def own_params(scopes: tuple[str, ...], audience: str | None, resource: str | None) -> tuple[tuple[str, str], ...]:
    """The parameters of a request for the gateway's own token."""
    given = (("scope", " ".join(scopes)), ("audience", audience), ("resource", resource))
    return (("grant_type", "client_credentials"), *((name, value) for name, value in given if value))
