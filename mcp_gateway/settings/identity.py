"""`identity`: who may call, and how callers prove it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mcp_gateway.settings.addresses import Endpoint
from mcp_gateway.settings.base import Flag, Model, Name, Text, refusal, section


class ClaimSettings(Model):
    """Which claim of a token holds what."""

    groups: Text = Field(default="groups", description="Claim with the caller's groups; each is a Team.")
    email: Text = Field(default="email", description="Claim with the caller's e-mail address.")
    scope: Text = Field(default="scope", description="Claim with the granted scopes.")


class IssuerSettings(Model):
    """An authorization server whose tokens are accepted."""

    name: Name = Field(description='Short name: principals are User::"name|sub".')
    issuer: Endpoint = Field(description="The issuer identifier, exactly as in the tokens' `iss`.")
    audiences: tuple[Text, ...] = Field(
        default=(), description="Accepted audiences. Default: the URI of the virtual server called."
    )
    jwks_uri: Endpoint | None = Field(default=None, description="Where the keys are. Default: discovered.")
    claims: ClaimSettings = section()
    groups_prefix: str = Field(
        default="", description="Put before every group; mandatory when there are several issuers."
    )


class IdentitySettings(Model):
    """Issuers, virtual account keys, and whether loopback may go without."""

    anonymous: Literal["loopback", "never"] = Field(
        default="loopback", description="Whether callers on loopback need a credential."
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
