"""`identity`: who may call, and how callers prove it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, model_validator

from mcp_gateway.settings.addresses import Endpoint
from mcp_gateway.settings.base import Flag, Model, Name, Text, refusal, section
from mcp_gateway.settings.references import SecretRef
from mcp_gateway.settings.units import Duration

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")


class ClaimSettings(Model):
    """Which claim of a token holds what."""

    groups: Text = Field(default="groups", description="Claim with the caller's groups; each is a Team.")
    email: Text = Field(default="email", description="Claim with the caller's e-mail address.")
    scope: Text = Field(default="scope", description="Claim with the granted scopes.")


class IntrospectionSettings(Model):
    """How opaque tokens are asked about (RFC 7662)."""

    url: Endpoint | None = Field(default=None, description="Introspection endpoint. Default: discovered.")
    client_id: Text = Field(description="The gateway's client id at the issuer.")
    client_secret: SecretRef = Field(description="The gateway's client secret.")


class LoginSettings(Model):
    """How a person in a browser signs in: the gateway as an OpenID Connect client of the issuer."""

    client_id: Text = Field(description="The gateway's client id at the issuer.")
    client_secret: SecretRef | None = Field(default=None, description="Client secret; absent for a public client.")
    scopes: tuple[Text, ...] = Field(default=("openid",), description="Scopes to ask for; `openid` among them.")

    @model_validator(mode="after")
    def _openid(self) -> LoginSettings:
        if "openid" not in self.scopes:
            raise refusal("signing in needs the scope `openid`", at=("scopes",))
        return self


class IssuerSettings(Model):
    """An authorization server whose tokens are accepted."""

    name: Name = Field(description='Short name: principals are User::"name|sub".')
    issuer: Endpoint = Field(description="The issuer identifier, exactly as in the tokens' `iss`.")
    audiences: tuple[Text, ...] = Field(
        default=(), description="Accepted audiences. Default: the URI of the virtual server called."
    )
    jwks_uri: Endpoint | None = Field(default=None, description="Where the keys are. Default: discovered.")
    algorithms: tuple[Algorithm, ...] = Field(
        default=ALGORITHMS, min_length=1, description="Signature algorithms that are accepted."
    )
    max_stale: Duration = Field(
        default=3600.0, description="How long fetched keys are used while the issuer cannot be reached."
    )
    introspection: IntrospectionSettings | None = Field(
        default=None, description="Accept opaque tokens of this issuer by asking it about each (RFC 7662)."
    )
    login: LoginSettings | None = Field(
        default=None, description="Let people sign in here, to connect their accounts at upstreams."
    )
    claims: ClaimSettings = section()
    groups_prefix: str = Field(
        default="", description="Put before every group; mandatory when there are several issuers."
    )


class IdentitySettings(Model):
    """Issuers, virtual account keys, and whether loopback may go without."""

    anonymous: Literal["loopback", "never"] | None = Field(
        default=None,
        description="Whether callers on loopback may go without a credential. Default: loopback without issuers, "
        "never with them.",
    )
    issuers: tuple[IssuerSettings, ...] = Field(
        default=(), description="Authorization servers whose tokens are accepted."
    )
    virtual_accounts: Flag = Field(default=True, description="Accept keys made by `mcp-gateway keys create`.")

    @model_validator(mode="after")
    def _distinct(self) -> IdentitySettings:
        seen: set[str] = set()
        for index, issuer in enumerate(self.issuers):
            for key, value in (("name", issuer.name), ("issuer", issuer.issuer)):
                if f"{key}={value}" in seen:
                    raise refusal(f"two issuers have the same {key}", at=("issuers", index, key))
                seen.add(f"{key}={value}")
            if len(self.issuers) > 1 and not issuer.groups_prefix:
                raise refusal(
                    "`groups_prefix` is mandatory when there are several issuers",
                    "without it, a group of one issuer would count as the same group of another",
                    ("issuers", index),
                )
        return self

    @model_validator(mode="after")
    def _one_introspects(self) -> IdentitySettings:
        able = [index for index, issuer in enumerate(self.issuers) if issuer.introspection is not None]
        if len(able) > 1:
            raise refusal(
                "only one issuer can have `introspection`",
                "an opaque token does not say whose it is, and is not shown to an issuer that it is not of",
                ("issuers", able[1], "introspection"),
            )
        return self

    @property
    def by_name(self) -> dict[str, str]:
        """The issuers' identifiers by their short names."""
        return {each.name: each.issuer for each in self.issuers}

    @property
    def anonymous_on_loopback(self) -> bool:
        """Whether callers on loopback may go without a credential."""
        return not self.issuers if self.anonymous is None else self.anonymous == "loopback"
