"""Which kind of token is presented, and who can say what it proves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity import jwt
from mcp_gateway.envelopes.identity.issuer import Issuer
from mcp_gateway.envelopes.identity.stores import Accounts, VirtualAccount
from mcp_gateway.envelopes.identity.verified import TokenRefused, Verified

KEY_PREFIX: Final = "mgk_"
ACCOUNT_SECONDS: Final = 10.0
"""How long a revoked key may still work."""

_UNKNOWN_SECONDS: Final = 5.0
"""How long a key that no account has is refused without asking the store again."""

_LONGEST_KEY: Final = 256


class Verify:
    """Verifies tokens of several issuers and keys of virtual accounts. A token is shown to nobody but its issuer."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        accounts: Accounts | None,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`accounts` is None where keys are not accepted."""
        self._issuers = {issuer.identifier: issuer for issuer in issuers}
        self._introspect = next((one.introspect for one in issuers if one.introspect is not None), None)
        self._accounts = accounts
        self._wall = wall
        self._clock = clock

    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuers' identifiers, in the order of the configuration."""
        return tuple(self._issuers)

    async def __call__(self, token: str) -> Verified:
        """What `token` proves.

        Raises:
            TokenRefused: it is not acceptable.
            IdentityUnavailable: whether it is cannot be known now.
        """
        if token.startswith(KEY_PREFIX):
            return await self._account(token)
        if token.count(".") == 2:
            given = jwt.read(token)
            issuer = self._issuers.get(given.issuer)
            if issuer is None:
                raise TokenRefused("unknown_issuer")
            return await issuer.verify(given, token)
        if self._introspect is None:
            raise TokenRefused("opaque")
        return await self._introspect(token)

    async def _account(self, key: str) -> Verified:
        if self._accounts is None or len(key) > _LONGEST_KEY:
            raise TokenRefused("unknown_account_key")
        account = await self._accounts.find(Secret(key))
        if account is None:
            raise TokenRefused("unknown_account_key", keep=_UNKNOWN_SECONDS)
        expires = float("inf") if account.expires_at is None else account.expires_at
        if expires <= self._wall():
            raise TokenRefused("expired", keep=_UNKNOWN_SECONDS)
        return Verified(
            principal=account_principal(account),
            everywhere=True,
            expires=expires,
            until=self._clock() + ACCOUNT_SECONDS,
        )

    async def close(self) -> None:
        for issuer in self._issuers.values():
            await issuer.close()


def account_principal(account: VirtualAccount) -> Principal:
    """The principal of a virtual account. Its key is no token that could be exchanged, and is not kept."""
    return Principal(
        id=f"virtual_account:{account.name}",
        subject=account.name,
        teams=account.teams,
        scopes=frozenset(account.scopes),
        kind="virtual_account",
        owner=account.owner,
    )
