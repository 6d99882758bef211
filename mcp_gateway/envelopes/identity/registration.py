"""How the gateway becomes a client of an authorization server: pre-registered, by metadata document, or dynamically."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetched, Fetcher
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.core.flights import Flights
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.strictjson import dumps
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.envelopes.identity.issuer_metadata import json_object
from mcp_gateway.envelopes.identity.metadata import ServerMetadata, trust_in
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Registrations

SECONDS: Final = 10.0
CLIENT_NAME: Final = "MCP Gateway"

_GRANT_TYPES: Final = ("authorization_code", "refresh_token")
_SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPolicy:
    """How one upstream's client is known: `registration` and the id and secret are those of the configuration.

    `document_url` is where the gateway serves its own metadata document; "" where it cannot (no public https).
    """

    registration: str = "auto"
    client_id: str | None = None
    client_secret: Secret | None = None
    document_url: str = ""


def client_document(url: str, redirect_uri: str, name: str = CLIENT_NAME) -> dict[str, Any]:
    """The client's metadata document, which is served at `url`: the client's id is this very address."""
    return {"client_id": url, "client_name": name, **_shared(redirect_uri), "token_endpoint_auth_method": "none"}


def _shared(redirect_uri: str) -> dict[str, Any]:
    native = (urlsplit(redirect_uri).hostname or "") in _LOOPBACK
    return {
        "application_type": "native" if native else "web",
        "redirect_uris": [redirect_uri],
        "grant_types": list(_GRANT_TYPES),
        "response_types": ["code"],
    }


class Registrar:
    """Finds or makes the client of an upstream at an authorization server, once at a time for each."""

    def __init__(
        self, fetcher: Fetcher, registrations: Registrations, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetcher = fetcher
        self._registrations = registrations
        self._clock = clock
        self._flights: Flights[tuple[str, str, str], ClientRegistration] = Flights()

    async def client(
        self,
        upstream: str,
        server: ServerMetadata,
        policy: ClientPolicy,
        redirect_uri: str,
        *,
        written: tuple[str, ...],
        allowed: Allowed,
    ) -> ClientRegistration:
        """The client to use at `server`, and nowhere else.

        `written` are addresses that the operator wrote: see `metadata.trust_in`. Raises `AuthorizationFailed` where
        there is no way to become a client, `UpstreamError`, `IdentityUnavailable`.
        """
        ready = _configured(server, policy) or _documented(server, policy)
        if ready is not None:
            return ready
        if policy.registration not in ("auto", "dcr") or not server.registration_url:
            raise AuthorizationFailed(_no_way(policy, server))
        kept = await self._registrations.get(upstream, server.issuer)
        if kept is not None and self._good(kept, redirect_uri):
            return kept

        async def register() -> ClientRegistration:
            made = await self._register(server, redirect_uri, written, allowed)
            await self._registrations.put(upstream, made)
            return made

        return await self._flights.join((upstream, server.issuer, redirect_uri), register)

    async def disown(self, upstream: str, client: ClientRegistration) -> bool:
        """The server no longer knows `client`: forget it, so that the next consent registers anew. False if it was
        not registered dynamically."""
        kept = await self._registrations.get(upstream, client.issuer)
        if kept is None or kept.client_id != client.client_id:
            return False
        await self._registrations.drop(upstream, client.issuer)
        return True

    async def close(self) -> None:
        """Give up what is under way."""
        await self._flights.close()

    def _good(self, kept: ClientRegistration, redirect_uri: str) -> bool:
        expired = kept.expires_at is not None and kept.expires_at <= self._clock()
        return kept.redirect_uri == redirect_uri and not expired

    async def _register(
        self, server: ServerMetadata, redirect_uri: str, written: tuple[str, ...], allowed: Allowed
    ) -> ClientRegistration:
        method = auth_method(server, secret=True)
        body = dumps(
            {"client_name": CLIENT_NAME, **_shared(redirect_uri), "token_endpoint_auth_method": method},
        )
        try:
            answer = await self._fetcher.fetch(
                server.registration_url,
                trust=trust_in(server.registration_url, written),
                method="POST",
                headers=[(b"content-type", b"application/json"), (b"accept", b"application/json")],
                body=body,
                seconds=SECONDS,
                allowed=allowed,
            )
        except (Unreachable, TimedOut) as error:
            raise Unreachable(f"the gateway could not register as a client: {error.message}", sent=False) from None
        return _read_registration(answer, server, redirect_uri, method)


def auth_method(server: ServerMetadata, *, secret: bool) -> str:
    """How the client authenticates at the token endpoint, of what the server takes (RFC 8414 §2)."""
    taken = server.auth_methods
    if not secret:
        return "none"
    if taken is None:
        return "client_secret_basic"
    return next((method for method in (*_SECRET_METHODS, "none") if method in taken), "client_secret_basic")


def _configured(server: ServerMetadata, policy: ClientPolicy) -> ClientRegistration | None:
    if policy.client_id is None or (policy.client_secret is None and _is_document(policy.client_id)):
        if policy.registration == "pre_registered" and policy.client_id is not None:
            return ClientRegistration(issuer=server.issuer, client_id=policy.client_id)
        return None
    secret = policy.client_secret
    method = "none"
    if secret is not None:
        found = auth_method(server, secret=True)
        method = found if found != "none" else "client_secret_basic"
    return ClientRegistration(
        issuer=server.issuer, client_id=policy.client_id, client_secret=secret, auth_method=method
    )


def _documented(server: ServerMetadata, policy: ClientPolicy) -> ClientRegistration | None:
    if policy.registration not in ("auto", "cimd"):
        return None
    given = policy.client_id if policy.client_id is not None and _is_document(policy.client_id) else None
    url = given or policy.document_url
    if not url or not (server.client_documents or (policy.registration == "cimd" and given)):
        return None
    return ClientRegistration(issuer=server.issuer, client_id=url)


def _is_document(client_id: str) -> bool:
    parts = urlsplit(client_id)
    return parts.scheme == "https" and bool(parts.hostname) and parts.path not in ("", "/")


def _no_way(policy: ClientPolicy, server: ServerMetadata) -> str:
    if policy.registration == "cimd":
        if not policy.document_url and policy.client_id is None:
            return (
                "the authorization server would need the gateway's client document, which needs a public https address"
            )
        return "the authorization server does not take client metadata documents"
    return "the authorization server does not register clients: an administrator configures `client_id`"


def _read_registration(
    answer: Fetched, server: ServerMetadata, redirect_uri: str, asked_method: str
) -> ClientRegistration:
    if answer.status not in (200, 201):
        raise AuthorizationFailed(f"the authorization server refused to register the gateway with HTTP {answer.status}")
    try:
        document: Mapping[str, object] = json_object(answer)
    except ProtocolViolation:
        document = {}
    client_id, secret = document.get("client_id"), document.get("client_secret")
    if not isinstance(client_id, str) or not client_id.isprintable() or not 0 < len(client_id) <= _LONGEST:
        raise ProtocolViolation("the authorization server's registration names no usable client_id")
    if secret is not None and (not isinstance(secret, str) or not 0 < len(secret) <= _LONGEST):
        raise ProtocolViolation("the authorization server's registration holds an unusable client_secret")
    method = document.get("token_endpoint_auth_method")
    if method not in (*_SECRET_METHODS, "none"):
        method = asked_method
    expires = document.get("client_secret_expires_at")
    return ClientRegistration(
        issuer=server.issuer,
        client_id=client_id,
        client_secret=Secret(secret) if secret else None,
        auth_method=str(method) if secret else "none",
        expires_at=float(expires)
        if isinstance(expires, int) and not isinstance(expires, bool) and expires > 0
        else None,
        redirect_uri=redirect_uri,
    )
