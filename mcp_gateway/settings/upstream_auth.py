"""`upstreams.X.auth`: which credential reaches an upstream. The caller's own never does."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.addresses import Endpoint
from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Text, refusal
from mcp_gateway.settings.references import SecretRef

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
_FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE: Final = re.compile(r"[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?")
_OURS: Final = frozenset(
    [
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "expect",
        "accept",
        "accept-encoding",
        "last-event-id",
        "traceparent",
        "tracestate",
    ]
)


def _header_name(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise refusal("expected the name of a header field")
    if name.lower() in _OURS or name.lower().startswith(("mcp-", "proxy-connection")):
        raise refusal("this header is set by the gateway itself")
    return name


def _header_value(value: Secret) -> Secret:
    if not _VALUE.fullmatch(value.reveal()):
        raise refusal("the secret is not a header value: it holds a line break, a control character or outer spaces")
    return value


HeaderName = Annotated[str, Strict(), AfterValidator(_header_name)]
HeaderValue = Annotated[SecretRef, AfterValidator(_header_value)]


class _Auth(Model):
    @property
    def per_person(self) -> bool:
        """Whether each caller has a credential of their own."""
        return True

    @property
    def needs_connection(self) -> bool:
        """Whether people connect accounts on a page before they can call."""
        return False


class NoAuth(_Auth):
    """Nothing reaches the upstream."""

    type: Literal["none"]

    @property
    def per_person(self) -> bool:
        return False


class HeaderAuth(_Auth):
    """Fixed headers, the same for all callers, or one set per user, whom the connect page asks for the values."""

    type: Literal["header"]
    headers: FrozenMapping[HeaderName, HeaderValue | None] = Field(
        min_length=1,
        description="Header fields; values are secrets. With `level: per_user` a value is only for what the gateway "
        "reads on its own account, and may be null.",
    )
    level: Literal["global", "per_user"] = Field(
        default="global", description="per_user: each user stores a value of their own."
    )

    @model_validator(mode="after")
    def _valued(self) -> HeaderAuth:
        for name, value in self.headers.items():
            if value is None and self.level == "global":
                raise refusal("expected env:NAME or file:/path", at=("headers", name))
        return self

    @property
    def per_person(self) -> bool:
        return self.level == "per_user"

    @property
    def needs_connection(self) -> bool:
        return self.level == "per_user"


class _TokenClient(_Auth):
    token_url: Endpoint | None = Field(
        default=None, description="Token endpoint; or give `issuer` to have it discovered."
    )
    issuer: Endpoint | None = Field(
        default=None, description="Authorization server whose metadata names the token endpoint."
    )
    client_id: Text = Field(description="The gateway's client id there.")
    client_secret: SecretRef | None = Field(default=None, description="Client secret; or give `private_key`.")
    private_key: SecretRef | None = Field(default=None, description="PEM key for private_key_jwt.")
    scopes: tuple[Text, ...] = Field(default=(), description="Scopes to ask for.")
    audience: Text | None = Field(default=None, description="Audience of the token.")
    resource: Text | None = Field(default=None, description="Resource indicator (RFC 8707).")

    @model_validator(mode="after")
    def _one_of_each(self) -> _TokenClient:
        if (self.token_url is None) == (self.issuer is None):
            raise refusal("expected exactly one of `token_url` and `issuer`")
        if (self.client_secret is None) == (self.private_key is None):
            raise refusal("expected exactly one of `client_secret` and `private_key`")
        return self


class ClientCredentialsAuth(_TokenClient):
    """The gateway's own token."""

    type: Literal["client_credentials"]

    @property
    def per_person(self) -> bool:
        return False


class TokenExchangeAuth(_TokenClient):
    """The caller's token, exchanged for one that is meant for this upstream (RFC 8693)."""

    type: Literal["token_exchange"]
    subject_token_type: Text = Field(default=ACCESS_TOKEN, description="Type of the caller's token.")
    requested_token_type: Text = Field(default=ACCESS_TOKEN, description="Type of the token asked for.")
    actor: Flag = Field(default=True, description="Name the agent as actor.")


class IdJagAuth(_Auth):
    """Enterprise-managed authorization: ID-JAG at the identity provider, then jwt-bearer at the upstream's server."""

    type: Literal["id_jag"]
    idp_token_url: Endpoint = Field(description="Token endpoint of the identity provider.")
    audience: Text = Field(description="Issuer of the upstream's authorization server.")
    token_url: Endpoint = Field(description="Token endpoint of the upstream's authorization server.")
    client_id: Text = Field(description="The gateway's client id.")
    client_secret: SecretRef = Field(description="The gateway's client secret.")
    resource: Text | None = Field(default=None, description="Resource indicator (RFC 8707).")
    scopes: tuple[Text, ...] = Field(default=(), description="Scopes to ask for.")
    subject_token_type: Text = Field(default=ACCESS_TOKEN, description="Type of the caller's token.")


class AuthorizationCodeAuth(_Auth):
    """Consent of each user; the tokens live in the vault."""

    type: Literal["authorization_code"]
    issuer: Endpoint | None = Field(
        default=None, description="Authorization server. Default: discovered from the upstream."
    )
    authorization_url: Endpoint | None = Field(default=None, description="Authorization endpoint, with `token_url`.")
    token_url: Endpoint | None = Field(default=None, description="Token endpoint, with `authorization_url`.")
    client_id: Text | None = Field(default=None, description="Client id, where pre-registered.")
    client_secret: SecretRef | None = Field(default=None, description="Client secret, where pre-registered.")
    scopes: tuple[Text, ...] = Field(default=(), description="Scopes to ask for.")
    resource: Text | None = Field(default=None, description="Resource indicator (RFC 8707).")
    registration: Literal["auto", "pre_registered", "cimd", "dcr"] = Field(
        default="auto", description="How the client is known."
    )

    @property
    def needs_connection(self) -> bool:
        return True

    @model_validator(mode="after")
    def _consistent(self) -> AuthorizationCodeAuth:
        if (self.authorization_url is None) != (self.token_url is None):
            raise refusal("`authorization_url` and `token_url` are given together")
        if self.issuer is not None and self.token_url is not None:
            raise refusal("expected `issuer` or the two endpoints, not both")
        if self.registration == "pre_registered" and self.client_id is None:
            raise refusal("`registration: pre_registered` needs a `client_id`")
        if self.client_secret is not None and self.client_id is None:
            raise refusal("`client_secret` needs a `client_id`")
        return self


UpstreamAuth = Annotated[
    NoAuth | HeaderAuth | ClientCredentialsAuth | TokenExchangeAuth | IdJagAuth | AuthorizationCodeAuth,
    Field(discriminator="type"),
]
