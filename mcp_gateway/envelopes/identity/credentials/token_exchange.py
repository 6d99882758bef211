"""`token_exchange` (RFC 8693): the caller's token, exchanged for one that is meant for this upstream.

Who acts: the gateway authenticates as the client of the exchange, and the caller's token names the agent that it was
given to, which is where an authorization server takes ``act`` from. With `actor` and a private key the agent is named
besides by an ``actor_token``, a short-lived JWT that the gateway signs with the key its server knows it by. A client
with a secret has nothing that a server could verify in that place, and sends none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mcp_gateway.envelopes.identity.credentials.client_credentials import own_params
from mcp_gateway.envelopes.identity.credentials.on_behalf import OnBehalf, Wish
from mcp_gateway.envelopes.identity.minted import Minted
from mcp_gateway.envelopes.identity.token_source import JWT, TokenSource
from mcp_gateway.envelopes.identity.token_wire import Issued, TokenError, audience_of

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What the token is for. Without audience and resource it is for `url`, the upstream's address."""

    url: str
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    resource: str | None = None
    subject_token_type: str = ACCESS_TOKEN
    requested_token_type: str = ACCESS_TOKEN
    actor: bool = True

    @property
    def indicator(self) -> str | None:
        """The resource indicator to send (RFC 8707)."""
        return self.resource or (None if self.audience else self.url)


class TokenExchange(OnBehalf):
    """One exchange for each caller's token and agent. An answer that is not what was asked for is discarded."""

    def __init__(self, upstream: str, source: TokenSource, minted: Minted, aim: Aim) -> None:
        super().__init__(upstream, minted, mint=self._exchange, mint_own=self._get_own)
        self._source = source
        self._aim = aim

    async def _exchange(self, wish: Wish) -> Issued:
        aim, token = self._aim, wish.principal.token
        assert token is not None
        scopes = tuple(dict.fromkeys((*aim.scopes, *wish.demanded)))
        params = [
            ("grant_type", EXCHANGE),
            ("subject_token", token.reveal()),
            ("subject_token_type", aim.subject_token_type),
            ("requested_token_type", aim.requested_token_type),
        ]
        given = (("audience", aim.audience), ("resource", aim.indicator), ("scope", " ".join(scopes)))
        params += [(name, value) for name, value in given if value]
        if aim.actor and wish.principal.client_id is not None:
            actor = self._source.actor_token(wish.principal.client_id)
            if actor is not None:
                params += [("actor_token", actor), ("actor_token_type", JWT)]
        issued = await self._source.ask(params)
        _require_as_asked(issued, scopes, [each for each in (aim.audience, aim.indicator) if each])
        if issued.issued_type not in (None, aim.requested_token_type):
            raise _other("a token of another type than was asked for")
        return issued

    async def _get_own(self, about: None) -> Issued:
        return await self._source.ask(own_params(self._aim.scopes, self._aim.audience, self._aim.indicator))


def _require_as_asked(issued: Issued, scopes: Sequence[str], audiences: Sequence[str]) -> None:
    """Raises `TokenError` for more than was asked, or for a token that shows another audience."""
    if scopes and issued.scopes is not None and not set(issued.scopes) <= set(scopes):
        raise _other("more scopes than were asked for")
    shown = audience_of(issued.access_token)
    if shown is not None and not set(shown) & set(audiences):
        raise _other("a token for another audience")


def _other(what: str) -> TokenError:
    return TokenError(f"the authorization server gave {what}", fatal=True, sent=True)
