"""`id_jag`, enterprise-managed authorization: the identity provider's word for the person, then a token for it.

At the identity provider the caller's token is exchanged for an ID-JAG (RFC 8693), which the upstream's authorization
server takes as a grant (RFC 7523 §2.1). Both are kept until they expire.
"""

from __future__ import annotations

import asyncio
from typing import Final

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.envelopes.identity.credentials.client_credentials import own_params
from mcp_gateway.envelopes.identity.credentials.on_behalf import OnBehalf, Wish, key_of
from mcp_gateway.envelopes.identity.credentials.token_exchange import EXCHANGE, Aim
from mcp_gateway.envelopes.identity.minted import Minted
from mcp_gateway.envelopes.identity.token_client import SECONDS
from mcp_gateway.envelopes.identity.token_source import TokenSource
from mcp_gateway.envelopes.identity.token_wire import Issued, TokenError

ID_JAG: Final = "urn:ietf:params:oauth:token-type:id-jag"
BEARER_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class IdJag(OnBehalf):
    """Two steps for each caller's token and agent. `aim.audience` is the issuer of the upstream's server."""

    def __init__(
        self, upstream: str, idp: TokenSource, source: TokenSource, minted: Minted, assertions: Minted, aim: Aim
    ) -> None:
        """`idp` is the identity provider, `source` the upstream's authorization server."""
        super().__init__(upstream, minted, mint=self._redeem, mint_own=self._get_own)
        self._idp = idp
        self._source = source
        self._assertions = assertions
        self._aim = aim

    async def close(self) -> None:
        await super().close()
        await self._assertions.close()

    async def _redeem(self, wish: Wish) -> Issued:
        token = wish.principal.token
        assert token is not None
        key = key_of(wish.principal, token) + " ".join(wish.demanded).encode()
        had = self._assertions.at_hand(key, self._assert, wish) is not None
        try:
            return await self._present(key, wish)
        except TokenError as error:
            if error.code != "invalid_grant" or not had:
                raise
        self._assertions.drop(key)  # one kept from before may be used up: once more with a new one
        return await self._present(key, wish)

    async def _present(self, key: bytes, wish: Wish) -> Issued:
        try:
            assertion = await self._assertions.obtain(key, self._assert, wish, _soon())
        except IdentityUnavailable as error:
            raise TokenError(error.message, fatal=False, sent=False, retry_after=error.retry_after) from None
        params = [("grant_type", BEARER_GRANT), ("assertion", assertion.secret.reveal())]
        scopes = self._scopes(wish)
        return await self._source.ask([*params, ("scope", scopes)] if scopes else params)

    async def _assert(self, wish: Wish) -> Issued:
        aim, token = self._aim, wish.principal.token
        assert token is not None
        params = [
            ("grant_type", EXCHANGE),
            ("subject_token", token.reveal()),
            ("subject_token_type", aim.subject_token_type),
            ("requested_token_type", ID_JAG),
            ("audience", aim.audience or ""),
            ("resource", aim.resource or aim.url),
        ]
        scopes = self._scopes(wish)
        issued = await self._idp.ask([*params, ("scope", scopes)] if scopes else params, types=("n_a",))
        if issued.issued_type != ID_JAG:
            raise TokenError("the identity provider gave something other than an ID-JAG", fatal=True, sent=True)
        return issued

    async def _get_own(self, about: None) -> Issued:
        return await self._source.ask(own_params(self._aim.scopes, None, self._aim.resource or self._aim.url))

    def _scopes(self, wish: Wish) -> str:
        return " ".join(dict.fromkeys((*self._aim.scopes, *wish.demanded)))


def _soon() -> float:
    """The deadline of a step within another: whoever waits has a deadline of their own."""
    return asyncio.get_running_loop().time() + SECONDS
