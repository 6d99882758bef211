"""The authorization code flow for one upstream: PKCE, resource indicator, issuer check (RFC 6749, 7636, 8707, 9207)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.envelopes.identity.discovery import Discovery, Found, Site
from mcp_gateway.envelopes.identity.metadata import ServerMetadata, covers, origin_of, trust_in
from mcp_gateway.envelopes.identity.registration import ClientPolicy, Registrar
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Grant, GrantKey
from mcp_gateway.envelopes.identity.token_client import Endpoint, TokenClient
from mcp_gateway.envelopes.identity.token_wire import TokenError

_OFFLINE: Final = "offline_access"
_REFUSALS: Final[Mapping[str, str]] = {
    "access_denied": "access was refused at the authorization server",
    "invalid_scope": "the authorization server does not know the scopes that were asked for",
    "invalid_target": "the authorization server gives no tokens for this upstream",
    "unauthorized_client": "the authorization server does not let the gateway ask",
    "invalid_request": "the authorization server did not accept the request",
    "server_error": "the authorization server failed",
    "temporarily_unavailable": "the authorization server is not available now",
}


class Learned:
    """What an upstream's last refusal said, shared by those who ask for its credentials and for consent to them."""

    __slots__ = ("challenge",)

    def __init__(self) -> None:
        self.challenge: Challenge | None = None

    def note(self, challenge: Challenge | None) -> None:
        if challenge is not None:
            self.challenge = challenge

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.challenge.scopes if self.challenge is not None else ()

    @property
    def metadata_url(self) -> str | None:
        return self.challenge.resource_metadata if self.challenge is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is configured of people's accounts at one upstream, whose address is `url`.

    `issuer`, or the two endpoints, where they are not to be discovered.
    """

    upstream: str
    url: str
    issuer: str | None = None
    authorization_url: str | None = None
    token_url: str | None = None
    scopes: tuple[str, ...] = ()
    resource: str | None = None
    policy: ClientPolicy = field(default_factory=ClientPolicy)
    allowed: Allowed = field(default_factory=Allowed)

    @property
    def written(self) -> tuple[str, ...]:
        """Addresses that the operator wrote: see `metadata.trust_in`."""
        given = (self.url, self.issuer, self.authorization_url, self.token_url)
        return tuple(each for each in given if each)

    def fits(self, grant: Grant) -> bool:
        """Whether the tokens of `grant` are for this upstream where it is now, and not for where it was before."""
        if self.resource is not None:
            return grant.resource == self.resource
        return grant.resource == self.url or covers(grant.resource, self.url)

    def site(self, metadata_url: str | None) -> Site:
        """Where to look for who gives tokens."""
        return Site(self.url, metadata_url, self.issuer, self.allowed)


@dataclass(frozen=True, slots=True)
class Description:
    """What a person is told before consenting: the authorization server's host, its issuer, the scopes."""

    server: str
    issuer: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where to send the person, and what has to be remembered (sealed) until they come back."""

    url: str
    pending: bytes = field(repr=False)


class CodeAuthorizer:
    """Implements `authorizing.Authorizer` for one upstream."""

    def __init__(
        self, account: Account, *, learned: Learned, discovery: Discovery, registrar: Registrar, tokens: TokenClient
    ) -> None:
        self._account = account
        self._learned = learned
        self._discovery = discovery
        self._registrar = registrar
        self._tokens = tokens

    async def describe(self, scopes: Sequence[str]) -> Description:
        """What would be asked for, and where."""
        found = await self._found()
        host = urlsplit(found.server.authorization_url).netloc
        return Description(host, found.server.issuer, self._scopes(found, scopes))

    async def begin(self, *, state: str, redirect_uri: str, scopes: Sequence[str]) -> Beginning:
        """The address to send the person to. `state` must be unguessable and used once."""
        found = await self._found()
        account, server = self._account, found.server
        client = await self._registrar.client(
            account.upstream, server, account.policy, redirect_uri, written=account.written, allowed=account.allowed
        )
        verifier = secrets.token_urlsafe(48)
        asked = self._scopes(found, scopes)
        resource = account.resource or found.resource or account.url
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
            "resource": resource,
        }
        if asked:
            query["scope"] = " ".join(asked)
        if _OFFLINE in asked:
            query["prompt"] = "consent"  # OpenID Connect Core §11: without it, offline access may be ignored
        pending = {
            "verifier": verifier,
            "issuer": server.issuer,
            "iss": "must" if server.iss_in_response else "may" if self._knows_issuer else "any",
            "token_url": server.token_url,
            "revocation_url": server.revocation_url,
            "resource": resource,
            "redirect_uri": redirect_uri,
            "scopes": asked,
            "client": _dump_client(client),
        }
        separator = "&" if urlsplit(server.authorization_url).query else "?"
        return Beginning(f"{server.authorization_url}{separator}{urlencode(query)}", orjson.dumps(pending))

    async def complete(self, pending: bytes, params: Mapping[str, str], *, key: GrantKey, agent: str) -> Grant:
        """The grant, not yet stored, for what came back from the authorization server in `params`.

        Raises `AuthorizationFailed`: the answer is another server's, is a refusal, or its code gave no tokens. Of the
        server's own words only known error codes are understood, and none if the answer may be another server's.
        """
        begun = orjson.loads(pending)
        _check_issuer(begun, params.get("iss"))
        if "error" in params:
            raise AuthorizationFailed(_REFUSALS.get(params["error"], "the authorization server refused"))
        code = params.get("code")
        if not code:
            raise AuthorizationFailed("the authorization server sent no code")
        client = _load_client(begun["client"])
        form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", begun["redirect_uri"]),
            ("code_verifier", begun["verifier"]),
            ("resource", begun["resource"]),
        ]
        url = begun["token_url"]
        endpoint = Endpoint(url, trust_in(url, self._account.written), self._account.allowed)
        try:
            issued = await self._tokens.ask(endpoint, client, form)
        except TokenError as error:
            if error.code == "invalid_client":
                await self._registrar.disown(self._account.upstream, client)
            raise AuthorizationFailed(f"no tokens for the consent: {error.message}") from None
        asked = tuple(begun["scopes"])
        return Grant(
            key=key,
            kind="oauth",
            tokens=issued.tokens(asked),
            issuer=begun["issuer"],
            resource=begun["resource"],
            token_url=url,
            revocation_url=begun["revocation_url"],
            client=client,
            asked=asked,
            agent=agent,
        )

    @property
    def _knows_issuer(self) -> bool:
        return self._account.token_url is None

    async def _found(self) -> Found:
        account = self._account
        if account.authorization_url is not None and account.token_url is not None:
            server = ServerMetadata(
                issuer=origin_of(account.authorization_url),
                authorization_url=account.authorization_url,
                token_url=account.token_url,
                s256=True,
            )
            return Found(server)
        found = await self._discovery.find(account.site(self._learned.metadata_url))
        if not found.server.authorization_url or not found.server.token_url:
            raise AuthorizationFailed("the authorization server has no authorization endpoint or no token endpoint")
        if not found.server.s256:
            raise AuthorizationFailed("the authorization server does not support PKCE with S256")
        return found

    def _scopes(self, found: Found, asked: Sequence[str]) -> tuple[str, ...]:
        """What the upstream demanded, with what is configured; otherwise all that it supports; otherwise none.

        `offline_access` is asked for where the authorization server says that it exists, and only there: it is what
        a refresh token may depend on.
        """
        account = self._account
        chosen = (*(asked or self._learned.scopes), *account.scopes) or found.scopes or ()
        wanted = dict.fromkeys(chosen)
        offline = _OFFLINE in found.server.scopes
        if offline and wanted:
            wanted[_OFFLINE] = None
        elif not offline and _OFFLINE not in account.scopes:
            wanted.pop(_OFFLINE, None)
        return tuple(wanted)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _check_issuer(begun: Mapping[str, Any], iss: str | None) -> None:
    """RFC 9207 §2.4, for errors as well; compared as strings, nothing is normalised."""
    if iss is None:
        if begun["iss"] == "must":
            raise AuthorizationFailed("the answer does not say which authorization server it is from")
    elif begun["iss"] != "any" and iss != begun["issuer"]:
        raise AuthorizationFailed("the answer is from another authorization server than the one that was asked")


def _dump_client(client: ClientRegistration) -> dict[str, Any]:
    return {
        "issuer": client.issuer,
        "client_id": client.client_id,
        "client_secret": client.client_secret.reveal() if client.client_secret is not None else None,
        "auth_method": client.auth_method,
        "expires_at": client.expires_at,
        "redirect_uri": client.redirect_uri,
    }


def _load_client(kept: Mapping[str, Any]) -> ClientRegistration:
    secret = kept["client_secret"]
    return ClientRegistration(**{**kept, "client_secret": Secret(secret) if secret is not None else None})
