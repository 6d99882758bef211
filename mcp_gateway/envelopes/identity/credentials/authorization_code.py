"""`authorization_code`: each person has consented, and the tokens live in the vault."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import ConnectionRequired
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.authorizer import Account, Learned
from mcp_gateway.envelopes.identity.discovery import Discovery
from mcp_gateway.envelopes.identity.held import Held, Reading
from mcp_gateway.envelopes.identity.hot import Fields, Hot
from mcp_gateway.envelopes.identity.stores import GrantKey, Vault
from mcp_gateway.envelopes.identity.token_wire import bearer_fields

_NOTHING: Final[Fields] = MappingProxyType({})


class AuthorizationCode:
    """Warm from memory, refreshed ahead of expiry; the gateway itself has none and asks without."""

    def __init__(
        self, account: Account, *, vault: Vault, hot: Hot, read: Reading, learned: Learned, discovery: Discovery
    ) -> None:
        """`read` makes stored grants usable (`refresh.Refresh`)."""
        self._account = account
        self._vault = vault
        self._learned = learned
        self._discovery = discovery
        self._held = Held(account.upstream, vault=vault, hot=hot, read=read)

    def at_hand(self, principal: Principal) -> Fields | None:
        fields = self._held.at_hand(principal.id)
        return _NOTHING if fields is None and principal.kind == "gateway" else fields

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        if principal.kind == "gateway":
            return _NOTHING
        return await self._obtain(principal, deadline, self._learned.scopes)

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        """401: refreshed, or a new consent where that is over or has just been tried. 403: a consent to more scopes,
        unless these were asked for before: asking again would change nothing."""
        self._learned.note(challenge)
        self._discovery.forget(self._account.site(self._learned.metadata_url))
        demanded = challenge.scopes if challenge is not None else ()
        if principal.kind == "gateway":
            self._held.lack(demanded)
        key = GrantKey(principal.id, self._account.upstream)
        grant = await self._vault.read(key)
        if grant is None or grant.tokens.access_token is None or grant.status != "active":
            self._held.lack(demanded)
        wanted = tuple(dict.fromkeys((*(grant.asked or grant.tokens.scopes), *demanded)))
        if bearer_fields(grant.tokens.access_token) == refused:
            if status == 403:
                if set(demanded) <= {*grant.asked, *grant.tokens.scopes}:
                    return None
                self._held.lack(wanted)
            if self._held.renewed(principal.id):
                await self._vault.exhaust(key, grant.version)
                self._held.forget(principal.id)
                self._held.lack(wanted)
        return await self._obtain(principal, deadline, wanted, refused)

    async def _obtain(
        self, principal: Principal, deadline: float, scopes: tuple[str, ...], refused: Fields | None = None
    ) -> Fields:
        """Where a person has to act, `scopes` are demanded besides what was asked for before."""
        try:
            return await self._held.obtain(principal.id, deadline, refused=refused)
        except ConnectionRequired as error:
            known = error.scopes
        self._held.lack(tuple(dict.fromkeys((*known, *scopes))))

    async def close(self) -> None:
        """Let refreshes under way end."""
        await self._held.close()
