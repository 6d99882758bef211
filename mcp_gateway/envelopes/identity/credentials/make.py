"""From an upstream's settings to its credentials, and to the way in which people consent to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.state.lease import Lease
from mcp_gateway.envelopes.identity.authorizer import Account, CodeAuthorizer, Learned
from mcp_gateway.envelopes.identity.credentials.authorization_code import AuthorizationCode
from mcp_gateway.envelopes.identity.credentials.client_credentials import ClientCredentials
from mcp_gateway.envelopes.identity.credentials.id_jag import IdJag
from mcp_gateway.envelopes.identity.credentials.per_user_header import PerUserHeader
from mcp_gateway.envelopes.identity.credentials.spec import (
    CodeSpec,
    ExchangeSpec,
    HeaderSpec,
    IdJagSpec,
    ProtectedSpec,
    TokenClientSpec,
)
from mcp_gateway.envelopes.identity.credentials.token_exchange import Aim, TokenExchange
from mcp_gateway.envelopes.identity.discovery import Discovery
from mcp_gateway.envelopes.identity.held import Log
from mcp_gateway.envelopes.identity.hot import Hot
from mcp_gateway.envelopes.identity.minted import Minted
from mcp_gateway.envelopes.identity.refresh import Refresh, Ways
from mcp_gateway.envelopes.identity.registration import ClientPolicy, Registrar
from mcp_gateway.envelopes.identity.stores import Grant, Registrations, Vault
from mcp_gateway.envelopes.identity.token_client import TokenClient
from mcp_gateway.envelopes.identity.token_source import SourceConfig, TokenSource

Made = PerUserHeader | ClientCredentials | TokenExchange | IdJag | AuthorizationCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What credentials are kept in, and what keeps replicas apart."""

    vault: Vault
    registrations: Registrations
    lease: Lease


class Credentialing:
    """Makes credentials, and shares between upstreams what they can share. Make it inside the running loop."""

    def __init__(self, fetcher: Fetcher, stores: Stores, *, document_url: str, log: Log) -> None:
        """`document_url` is where the gateway serves its client metadata document (`registration.client_document`);
        "" where it has no public https address."""
        self._stores = stores
        self._document_url = document_url
        self._log = log
        self._fetcher = fetcher
        self.hot = Hot()
        self.tokens = TokenClient(fetcher)
        self.discovery = Discovery(fetcher)
        self.registrar = Registrar(fetcher, stores.registrations)
        self._learned: dict[str, Learned] = {}
        self._made: dict[str, Made] = {}
        self._ways: dict[str, Ways] = {}

    def credentials(self, name: str, spec: ProtectedSpec) -> Made | None:
        """Those of the upstream `name`; None where fixed header fields (or none) do. Fits `Fleet(credentials=…)`."""
        auth, allowed = spec.auth, Allowed.parse(spec.egress.allow)
        made: Made
        match auth.type:
            case "header" if isinstance(auth, HeaderSpec) and auth.level == "per_user":
                made = PerUserHeader(name, spec.url, auth.headers, vault=self._stores.vault, hot=self.hot)
            case "client_credentials" if isinstance(auth, TokenClientSpec):
                aim = _aim(spec.url, auth)
                made = ClientCredentials(
                    self._source(auth, allowed),
                    Minted(),
                    scopes=aim.scopes,
                    audience=aim.audience,
                    resource=aim.indicator,
                )
            case "token_exchange" if isinstance(auth, ExchangeSpec):
                made = TokenExchange(name, self._source(auth, allowed), Minted(), _exchange_aim(spec.url, auth))
            case "id_jag" if isinstance(auth, IdJagSpec):
                made = self._id_jag(name, spec.url, auth, allowed)
            case "authorization_code" if isinstance(auth, CodeSpec):
                made = self._code(name, spec.url, auth, allowed)
            case _:
                return None
        self.hot.forget_upstream(name)  # it may be somewhere else now
        self._made[name] = made
        return made

    def authorizer(self, name: str, spec: ProtectedSpec) -> CodeAuthorizer | None:
        """How people consent to an upstream with `authorization_code`; None for every other."""
        if spec.auth.type != "authorization_code" or not isinstance(spec.auth, CodeSpec):
            return None
        return CodeAuthorizer(
            self._account(name, spec.url, spec.auth, Allowed.parse(spec.egress.allow)),
            learned=self._learned_of(name),
            discovery=self.discovery,
            registrar=self.registrar,
            tokens=self.tokens,
        )

    async def revoke(self, grant: Grant) -> None:
        """Tell the authorization server that the tokens of `grant` are done with (RFC 7009).

        Raises `IdentityUnavailable` where it is worth trying again.
        """
        ways = self._ways.get(grant.key.upstream, Ways())
        endpoint = ways.endpoint(grant.revocation_url)
        await self.tokens.revoke(grant, trust=endpoint.trust, allowed=endpoint.allowed)

    async def close(self) -> None:
        """Let refreshes under way end, then give up the rest."""
        await asyncio.gather(*(made.close() for made in self._made.values()))
        await asyncio.gather(self.discovery.close(), self.registrar.close())

    def _source(self, auth: TokenClientSpec, allowed: Allowed) -> TokenSource:
        config = SourceConfig(
            client_id=auth.client_id,
            token_url=auth.token_url,
            issuer=auth.issuer,
            client_secret=auth.client_secret,
            private_key=auth.private_key,
            allowed=allowed,
        )
        return TokenSource(config, tokens=self.tokens, discovery=self.discovery)

    def _id_jag(self, name: str, url: str, auth: IdJagSpec, allowed: Allowed) -> IdJag:
        idp, source = (
            TokenSource(
                SourceConfig(
                    client_id=auth.client_id, token_url=where, client_secret=auth.client_secret, allowed=allowed
                ),
                tokens=self.tokens,
                discovery=self.discovery,
            )
            for where in (auth.idp_token_url, auth.token_url)
        )
        aim = Aim(
            url=url,
            scopes=tuple(auth.scopes),
            audience=auth.audience,
            resource=auth.resource,
            subject_token_type=auth.subject_token_type,
        )
        return IdJag(name, idp, source, Minted(), Minted(), aim)

    def _code(self, name: str, url: str, auth: CodeSpec, allowed: Allowed) -> AuthorizationCode:
        account = self._account(name, url, auth, allowed)
        ways = self._ways[name] = Ways(written=account.written, allowed=allowed)
        refresh = Refresh(
            vault=self._stores.vault,
            tokens=self.tokens,
            registrar=self.registrar,
            lease=self._stores.lease,
            ways=ways,
            fits=account.fits,
            log=self._log,
        )
        return AuthorizationCode(
            account,
            vault=self._stores.vault,
            hot=self.hot,
            read=refresh,
            learned=self._learned_of(name),
            discovery=self.discovery,
        )

    def _account(self, name: str, url: str, auth: CodeSpec, allowed: Allowed) -> Account:
        return Account(
            upstream=name,
            url=url,
            issuer=auth.issuer,
            authorization_url=auth.authorization_url,
            token_url=auth.token_url,
            scopes=tuple(auth.scopes),
            resource=auth.resource,
            policy=ClientPolicy(
                registration=auth.registration,
                client_id=auth.client_id,
                client_secret=auth.client_secret,
                document_url=self._document_url,
            ),
            allowed=allowed,
        )

    def _learned_of(self, name: str) -> Learned:
        return self._learned.setdefault(name, Learned())


def _aim(url: str, auth: TokenClientSpec) -> Aim:
    return Aim(url=url, scopes=tuple(auth.scopes), audience=auth.audience, resource=auth.resource)


def _exchange_aim(url: str, auth: ExchangeSpec) -> Aim:
    return replace(
        _aim(url, auth),
        subject_token_type=auth.subject_token_type,
        requested_token_type=auth.requested_token_type,
        actor=auth.actor,
    )
