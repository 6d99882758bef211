"""What token exchange and ID-JAG share: tokens for people by their own sign-in, and the gateway's own for listing."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import ConnectionRequired, Forbidden, Rejected
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.hot import Fields
from mcp_gateway.envelopes.identity.minted import Mint, Minted
from mcp_gateway.envelopes.identity.token_client import as_refusal
from mcp_gateway.envelopes.identity.token_wire import TokenError

_OWN: Final = b"own"
_MOST: Final = 10_000
_MOST_HELD: Final = 1024
"""Principals whose keys are kept ready. Each of them holds its token."""

_NOTHING: Final[Fields] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wish:
    """Whose token is asked for, and the scopes that the upstream demanded besides those configured."""

    principal: Principal
    demanded: tuple[str, ...] = ()


class OnBehalf:
    """Tokens by the caller's own token and agent. Never for a caller without one."""

    def __init__(self, upstream: str, minted: Minted, *, mint: Mint[Wish], mint_own: Mint[None]) -> None:
        """`mint` gets a person's token, `mint_own` the gateway's. `minted` is this upstream's alone."""
        self._upstream = upstream
        self._minted = minted
        self._mint = mint
        self._mint_own = mint_own
        self._keys: dict[int, tuple[Principal, bytes]] = {}
        self._demanded: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()

    def at_hand(self, principal: Principal) -> Fields | None:
        if principal.token is None:
            return None
        key, wish = self._wish(principal, principal.token)
        token = self._minted.at_hand(key, self._mint, wish)
        return None if token is None else token.fields

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        """Raises `Forbidden` for a caller without a token of an issuer, otherwise as `Credentials.obtain`."""
        if principal.kind == "gateway":
            return await self._own(deadline)
        if principal.token is None:
            raise Forbidden(
                f"{self._upstream} acts for people by their own sign-in, and this caller has no token to exchange"
            )
        key, wish = self._wish(principal, principal.token)
        try:
            return (await self._minted.obtain(key, self._mint, wish, deadline)).fields
        except TokenError as error:
            raise as_refusal(error) from None

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        """One exchange more: after a 401 for a new token, after a 403 for one with the scopes demanded."""
        if principal.kind == "gateway":
            return await self._own_again(refused, deadline)
        if principal.token is None:
            return None
        if status == 403:
            return await self._step_up(principal, principal.token, challenge, deadline)
        if not self._minted.refuse(self._wish(principal, principal.token)[0], refused):
            return None
        return await self.obtain(principal, deadline)

    def _key(self, principal: Principal, token: Secret) -> bytes:
        # By identity: a verified token keeps its principal.
        held = self._keys.get(id(principal))
        if held is not None and held[0] is principal:
            return held[1]
        key = key_of(principal, token)
        if len(self._keys) >= _MOST_HELD:
            self._keys.clear()
        self._keys[id(principal)] = principal, key
        return key

    def _wish(self, principal: Principal, token: Secret) -> tuple[bytes, Wish]:
        key = self._key(principal, token)
        demanded = self._demanded.get(key) if self._demanded else None
        if demanded is None:
            return key, Wish(principal)
        return key + " ".join(demanded).encode(), Wish(principal, demanded)

    async def _step_up(
        self, principal: Principal, token: Secret, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        key = key_of(principal, token)
        had = self._demanded.get(key, ())
        demanded = tuple(dict.fromkeys((*had, *(challenge.scopes if challenge is not None else ()))))
        if demanded == had:
            return None
        self._demanded[key] = demanded
        if len(self._demanded) > _MOST:
            self._demanded.popitem(last=False)
        try:
            return await self.obtain(principal, deadline)
        except Rejected:
            self._demanded.pop(key, None)  # not for this caller: what was configured goes on working
            return None

    async def close(self) -> None:
        """End what is under way."""
        await self._minted.close()

    async def _own(self, deadline: float) -> Fields:
        """The gateway's own token; nothing where the server does not give it one."""
        try:
            return (await self._minted.obtain(_OWN, self._mint_own, None, deadline)).fields
        except TokenError:
            return _NOTHING

    async def _own_again(self, refused: Fields, deadline: float) -> Fields:
        if refused and self._minted.refuse(_OWN, refused):
            fields = await self._own(deadline)
            if fields and fields != refused:
                return fields
        raise ConnectionRequired(f"{self._upstream} shows its lists to people's accounts only", upstream=self._upstream)


def key_of(principal: Principal, token: Secret) -> bytes:
    """What a token depends on: the caller's whole token and the agent. The rest is the same for one upstream."""
    digest = sha256(token.reveal().encode())
    if principal.client_id is not None:
        digest.update(b"\0" + principal.client_id.encode())
    return digest.digest()
