"""One configured client at one configured token endpoint, or at that of a configured issuer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import UpstreamError
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.discovery import Discovery, Site
from mcp_gateway.envelopes.identity.metadata import trust_in
from mcp_gateway.envelopes.identity.registration import auth_method
from mcp_gateway.envelopes.identity.stores import ClientRegistration
from mcp_gateway.envelopes.identity.token_client import Endpoint, TokenClient
from mcp_gateway.envelopes.identity.token_wire import Issued, Params, TokenError, sign_assertion

JWT: Final = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Exactly one of `token_url` and `issuer`; a secret, or a private key (PEM)."""

    client_id: str
    token_url: str | None = None
    issuer: str | None = None
    client_secret: Secret | None = None
    private_key: Secret | None = None
    allowed: Allowed = field(default_factory=Allowed)


class TokenSource:
    """Asks for tokens in the gateway's own name."""

    def __init__(
        self,
        config: SourceConfig,
        *,
        tokens: TokenClient,
        discovery: Discovery,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._discovery = discovery
        self._wall = wall
        method = "private_key_jwt" if config.private_key is not None else "client_secret_basic"
        self._client = ClientRegistration(
            issuer=config.issuer or "",
            client_id=config.client_id,
            client_secret=config.private_key or config.client_secret,
            auth_method=method,
        )

    async def ask(self, params: Params, *, types: tuple[str, ...] = ("bearer",)) -> Issued:
        """Raises `TokenError`."""
        endpoint, client = await self._where()
        return await self._tokens.ask(endpoint, client, params, types=types)

    def actor_token(self, agent: str) -> str | None:
        """A token that names `agent` as who acts, signed with the gateway's key; None for a client with a secret."""
        config = self._config
        if config.private_key is None:
            return None
        audience = config.issuer or config.token_url or ""
        return sign_assertion(config.private_key, config.client_id, audience, now=self._wall(), subject=agent)

    async def _where(self) -> tuple[Endpoint, ClientRegistration]:
        config = self._config
        if config.token_url is not None:
            return Endpoint(
                config.token_url, trust_in(config.token_url, (config.token_url,)), config.allowed
            ), self._client
        assert config.issuer is not None
        site = Site("", None, config.issuer, config.allowed)
        try:
            server = (await self._discovery.find(site)).server
        except UpstreamError as error:
            raise TokenError(error.message, fatal=False, sent=False) from None
        if not server.token_url:
            raise TokenError("the authorization server has no token endpoint", fatal=True, sent=False)
        client = self._client
        if client.auth_method == "client_secret_basic" and auth_method(server, secret=True) == "client_secret_post":
            client = replace(client, auth_method="client_secret_post")
        trust = trust_in(server.token_url, (config.issuer,))
        return Endpoint(server.token_url, trust, config.allowed), client
