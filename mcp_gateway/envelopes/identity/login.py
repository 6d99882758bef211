"""Signing a person in at an issuer: OpenID Connect, authorization code flow with PKCE (OpenID Connect Core §3.1).

The protocol is Authlib's and joserfc's; every request goes through the `Fetcher`. What waits while the person is
away is a `Pending`, to be kept in `Flows` by whoever runs the flow.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any, Final, Protocol

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]  # no stubs
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]  # no stubs
from authlib.oidc.core.claims import CodeIDToken  # type: ignore[import-untyped]  # no stubs
from joserfc.errors import JoseError

from mcp_gateway.core.egress.fetch import Fetched, Fetcher
from mcp_gateway.core.egress.origin import BadUrl, parse_url
from mcp_gateway.core.errors import GatewayError, IdentityUnavailable, ProtocolViolation, UpstreamError
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity import jwt
from mcp_gateway.envelopes.identity.issuer_metadata import json_object
from mcp_gateway.envelopes.identity.keys import VerifyingKey
from mcp_gateway.envelopes.identity.metadata import trust_in
from mcp_gateway.envelopes.identity.stores import ClientRegistration
from mcp_gateway.envelopes.identity.token_wire import build_request
from mcp_gateway.envelopes.identity.verified import TokenRefused

METADATA_SECONDS: Final = 600.0
"""How long discovered metadata is used before it is read again."""

_LEEWAY_SECONDS: Final = 60
_LONGEST_TOKEN: Final = 16 * 1024
_LONGEST_SUBJECT: Final = 255
_SHOWN: Final = 80


class SignInFailed(GatewayError):
    """The person could not be signed in. The message is ours, never the issuer's words."""

    reason = "sign_in_failed"


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in. `id` is the principal's: ``<issuer name>|<sub>``; `shown` is for display to the person alone."""

    id: str
    shown: str


@dataclass(frozen=True, slots=True)
class Pending:
    """What has to be remembered until the person comes back. Holds secrets: keep it sealed."""

    nonce: str
    verifier: str

    def dump(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Provider:
    """What was discovered about the issuer (OpenID Connect Discovery §3), and when in the clock's seconds."""

    authorization: str
    token: str
    names_itself: bool
    auth_method: str
    read_at: float


class SigningKeys(Protocol):
    """The issuer's keys; `keyset.KeySet` is the real one."""

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerifyingKey, ...]:
        """The keys that may verify a token. Raises `IdentityUnavailable` where that cannot be known."""
        ...


class Login:
    """One issuer at which people sign in, the gateway being its client."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        name: str,
        issuer: str,
        client_id: str,
        client_secret: Secret | None,
        scopes: tuple[str, ...],
        algorithms: tuple[str, ...],
        keys: SigningKeys,
        redirect_uri: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is the issuer's in the configuration; `algorithms` are accepted for the ID token's signature."""
        self.name = name
        self._fetcher = fetcher
        self._issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._scopes = scopes
        self._algorithms = algorithms
        self._keys = keys
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._provider: _Provider | None = None

    async def begin(self, state: str, *, again: bool = False) -> tuple[str, Pending]:
        """The address to send the person to, and what to remember; `again` asks for another account than before.

        Raises `IdentityUnavailable` when the issuer cannot be asked, `SignInFailed` when it is not usable.
        """
        provider = await self._discovered()
        pending = Pending(nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48))
        url: str = prepare_grant_uri(
            provider.authorization,
            self._client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope=list(self._scopes),
            state=state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
            prompt="login" if again else None,
        )
        return url, pending

    async def complete(self, params: Mapping[str, str], pending: Mapping[str, str]) -> Person:
        """The person who came back with `params`, the query of the redirect. `pending` is `Pending.dump` of `begin`.

        Raises `SignInFailed`; `IdentityUnavailable` when the issuer cannot be asked.
        """
        provider = await self._discovered()
        # RFC 9207 §2.4: whose answer it is comes before what it says, also when it is an error.
        if params.get("iss", None if provider.names_itself else self._issuer) != self._issuer:
            raise SignInFailed("the answer does not come from the identity provider that was asked")
        if "error" in params:
            denied = params["error"] in ("access_denied", "login_required")
            raise SignInFailed("the sign-in was cancelled" if denied else "the identity provider refused the sign-in")
        if not params.get("code"):
            raise SignInFailed("the answer holds no code")
        answer = await self._redeem(provider, params["code"], pending["verifier"])
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str) or len(token) > _LONGEST_TOKEN:
            raise SignInFailed("the identity provider gave no ID token")
        claims = await self._verified(token, access if isinstance(access, str) else None, pending["nonce"])
        return self._person(claims)

    # ------------------------------------------------------------------ the token endpoint

    async def _redeem(self, provider: _Provider, code: str, verifier: str) -> Mapping[str, Any]:
        params = (
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self._redirect_uri),
            ("code_verifier", verifier),
        )
        client = ClientRegistration(
            issuer=self._issuer,
            client_id=self._client_id,
            client_secret=self._secret,
            auth_method="none" if self._secret is None else provider.auth_method,
        )
        headers, body = build_request(client, provider.token, params, now=time.time())
        answer = await self._fetch(provider.token, method="POST", headers=headers, body=body)
        if answer.status >= 500:
            raise IdentityUnavailable("the identity provider does not answer as it should")
        if answer.status != 200:
            raise SignInFailed("the identity provider did not accept the code")
        return _object(answer)

    # ------------------------------------------------------------------ the ID token

    async def _verified(self, token: str, access: str | None, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that was made by this issuer, for us, in answer to this very request."""
        try:
            read = jwt.read(token)
            keys = await self._keys.find(read.kid, read.algorithm) if read.algorithm in self._algorithms else ()
            if not any(key.verifies(read.algorithm, read.signed, read.signature) for key in keys):
                raise SignInFailed("the ID token is not signed by the identity provider")
            claims = CodeIDToken(
                read.claims,
                # Authlib's half hash takes its bits from the algorithm's name, which for Ed25519 are other ones.
                {"alg": "EdDSA" if read.algorithm == "Ed25519" else read.algorithm},
                options={
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                params={"nonce": nonce, "client_id": self._client_id, "access_token": access},
            )
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (TokenRefused, JoseError, ValueError, TypeError):
            raise SignInFailed("the ID token is not valid") from None
        return read.claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
            raise SignInFailed("the ID token is not valid")
        named = (claims.get(name) for name in ("email", "preferred_username", "name"))
        shown = next((name for name in named if isinstance(name, str) and name.isprintable() and name), subject)
        return Person(f"{self.name}|{subject}", shown[:_SHOWN])

    # ------------------------------------------------------------------ discovery

    async def _discovered(self) -> _Provider:
        found = self._provider
        if found is None or self._clock() - found.read_at > METADATA_SECONDS:
            found = self._provider = await self._discover()
        return found

    async def _discover(self) -> _Provider:
        answer = await self._fetch(f"{self._issuer.removesuffix('/')}/.well-known/openid-configuration")
        if answer.status != 200:
            raise IdentityUnavailable("the identity provider does not answer as it should")
        metadata = _object(answer)
        if metadata.get("issuer") != self._issuer:
            raise SignInFailed("the identity provider's metadata names another issuer")
        authorization, token = (metadata.get(f"{name}_endpoint") for name in ("authorization", "token"))
        for url in (authorization, token):
            if not isinstance(url, str) or not may_be_sent_to(url):
                raise SignInFailed("the identity provider's metadata names an address that is not used")
        methods = metadata.get("token_endpoint_auth_methods_supported")
        post = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
        return _Provider(
            authorization=str(authorization),
            token=str(token),
            names_itself=metadata.get("authorization_response_iss_parameter_supported") is True,
            auth_method="client_secret_post" if post else "client_secret_basic",
            read_at=self._clock(),
        )

    async def _fetch(self, url: str, **request: Any) -> Fetched:
        try:
            return await self._fetcher.fetch(url, trust=trust_in(url, (self._issuer,)), **request)
        except UpstreamError as error:
            raise IdentityUnavailable("the identity provider cannot be reached") from error


def may_be_sent_to(url: str) -> bool:
    """Whether a browser may be sent to `url`: https, or http on this machine; nothing that two parsers read apart."""
    try:
        origin, _ = parse_url(url)
    except BadUrl:
        return False
    return origin.secure or origin.host == "localhost" or _is_loopback(origin.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _object(answer: Fetched) -> Mapping[str, Any]:
    try:
        return json_object(answer)
    except ProtocolViolation:
        raise SignInFailed("the identity provider's answer is not a JSON object") from None
