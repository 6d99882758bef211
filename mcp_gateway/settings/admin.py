"""`server.admin`: the control plane's listener, and who may ask it for what."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict, model_validator

from mcp_gateway.settings.addresses import Host, Origin, is_loopback
from mcp_gateway.settings.base import Model, Port, Text, refusal

GRANTEE_PATTERN: Final = r"^(team:.+|virtual_account:.+|claim:[^=]+=.+|[a-z0-9][a-z0-9_-]{0,62}\|.+)$"
_GRANTEE: Final = re.compile(
    r"(team:|virtual_account:|claim:[^=\x00-\x1f]{1,255}=|[a-z0-9][a-z0-9_-]{0,62}\|)[^\x00-\x1f]{1,512}"
)
_EVERYWHERE: Final = ("0.0.0.0", "::")


def _grantee(value: str) -> str:
    if not _GRANTEE.fullmatch(value):
        raise refusal(
            "expected <issuer name>|<sub>, team:<name>, virtual_account:<name> or claim:<name>=<value>",
            "an address or a subject without its issuer could be somebody else's",
        )
    return value


Grantee = Annotated[str, Strict(), AfterValidator(_grantee), Field(json_schema_extra={"pattern": GRANTEE_PATTERN})]
"""Who has a role: one person, the members of a team, a virtual account, or whoever's token has a claim."""


class RoleSettings(Model):
    """Who has which role. A role includes those before it."""

    reader: tuple[Grantee, ...] = Field(default=(), description="May look: health, inspection, usage, metrics.")
    operator: tuple[Grantee, ...] = Field(default=(), description="May also reload and end connections.")
    admin: tuple[Grantee, ...] = Field(default=(), description="May also see everybody's decisions, and their bodies.")

    @model_validator(mode="after")
    def _somebody(self) -> RoleSettings:
        if not self.everybody:
            raise refusal("nobody could ask the control plane anything", "name somebody under `admin`")
        return self

    @property
    def everybody(self) -> tuple[tuple[str, int, str], ...]:
        """All who are named: the role, the place in its list, and who it is."""
        roles = (("reader", self.reader), ("operator", self.operator), ("admin", self.admin))
        return tuple((role, index, who) for role, named in roles for index, who in enumerate(named))


class AdminAuthSettings(Model):
    """Who may ask the control plane: bearers of tokens of `identity.issuers` for it, and of keys, that have a role."""

    roles: RoleSettings = Field(description="Who has which role.")
    metrics: Literal["reader", "open"] = Field(
        default="reader", description="Whether /metrics needs the role of a reader, or is open to everybody."
    )


class AdminSettings(Model):
    """The control plane: health, metrics, reload and inspection, on a port of its own."""

    host: Host = Field(
        default="127.0.0.1", description="Interface of the control plane. Another one than loopback needs `auth`."
    )
    port: Port = Field(
        default=8081, description="Port of the control plane; never the data plane's. 0 picks a free one."
    )
    public_url: Origin | None = Field(
        default=None, description="What admins type, without a path. Default: http://{host}:{port}."
    )
    allowed_hosts: tuple[Host, ...] = Field(
        default=(), description="Further host names under which it may be asked without a credential."
    )
    audience: Text | None = Field(
        default=None, description="The audience of its tokens, never one of the data plane. Default: `public_url`."
    )
    auth: AdminAuthSettings | None = Field(
        default=None, description="Who may ask it. Absent, on loopback only: every process of this machine."
    )

    @model_validator(mode="after")
    def _guarded(self) -> AdminSettings:
        if self.auth is None and not is_loopback(self.host):
            raise refusal(
                "a control plane on another interface than loopback needs `auth`",
                "listen on 127.0.0.1, or say under `auth` who may ask it",
                ("host",),
            )
        if self.auth is None and self.audience is not None:
            raise refusal("`audience` has no effect without `auth`", at=("audience",))
        if self.host in _EVERYWHERE and self.public_url is None:
            raise refusal(
                "`public_url` is needed where the control plane listens on every interface",
                "tokens are checked against it",
            )
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether it can be reached from this machine only."""
        return is_loopback(self.host)

    @property
    def public_on_loopback(self) -> bool:
        """Whether what admins type leads to this machine only."""
        return is_loopback(urlsplit(self.base_url_at(self.port)).hostname or "")

    def base_url_at(self, port: int) -> str:
        """`public_url`, or its address with the port that is bound; without a trailing slash."""
        if self.public_url is not None:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"

    def audience_at(self, port: int) -> str:
        """What tokens for it are for."""
        return self.base_url_at(port) if self.audience is None else self.audience
