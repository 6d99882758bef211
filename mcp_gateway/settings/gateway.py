"""`gateway.yaml` as a whole."""

from __future__ import annotations

from pydantic import Field, model_validator

from mcp_gateway.settings.base import FrozenMapping, Model, Name, empty_mapping, refusal, section
from mcp_gateway.settings.governance import EgressSettings, MetadataSettings, Policies, TelemetrySettings
from mcp_gateway.settings.identity import IdentitySettings
from mcp_gateway.settings.references import LocalPath
from mcp_gateway.settings.server import ServerSettings
from mcp_gateway.settings.state import StateSettings
from mcp_gateway.settings.upstreams import Upstream


class GatewaySettings(Model):
    """Everything an admin writes about the gateway itself."""

    server: ServerSettings = section()
    state: StateSettings = section()
    identity: IdentitySettings = section()
    upstreams: FrozenMapping[Name, Upstream] = Field(
        default_factory=empty_mapping,
        description="MCP servers, by name: with a `command` a child process, with a `url` over HTTP.",
        json_schema_extra={"additionalProperties": False},
    )
    virtual_servers: LocalPath = Field(
        default="virtual_servers/", validate_default=True, description="Folder of the compositions."
    )
    policies: Policies | None = Field(default=None, description="Cedar policies. Absent: no policy stage.")
    guardrails: LocalPath | None = Field(default=None, description="File of the guardrails.")
    models: LocalPath | None = Field(default=None, description="File of the LLM plane.")
    metadata: MetadataSettings | None = Field(default=None, description="The contract for request metadata.")
    telemetry: TelemetrySettings = section()
    egress: EgressSettings = section()

    @model_validator(mode="after")
    def _ports_differ(self) -> GatewaySettings:
        if self.server.port == self.server.admin.port != 0:
            raise refusal(
                "the control plane must not share the data plane's port",
                "give `server.admin.port` another one",
                ("server", "admin", "port"),
            )
        return self

    @model_validator(mode="after")
    def _open_to_others(self) -> GatewaySettings:
        if self.server.on_loopback:
            return self
        if not self.identity.issuers and not self.identity.virtual_accounts:
            raise refusal(
                "serving another interface than loopback needs `identity.issuers` or `identity.virtual_accounts`",
                "listen on 127.0.0.1, or say who may call",
                ("server", "host"),
            )
        if self.policies is None:
            raise refusal(
                "serving another interface than loopback without policies needs `policies: none`",
                "add `policies: {path: policies/}`, or `policies: none` to let every caller use every tool",
                ("server", "host"),
            )
        if any(key.secret is None for key in self.state.encryption_keys):
            raise refusal(
                "an encryption key file does not exist; one is made on loopback only",
                "make one with `openssl rand -base64 32`",
                ("state", "encryption_keys"),
            )
        return self

    @model_validator(mode="after")
    def _admins_are_somebody(self) -> GatewaySettings:
        auth = self.server.admin.auth
        if auth is None:
            return self
        if not self.identity.issuers and not self.identity.virtual_accounts:
            raise refusal(
                "nobody could ask the control plane: no issuers and no virtual accounts",
                "add `identity.issuers`, or `identity.virtual_accounts: true`",
                ("server", "admin", "auth"),
            )
        for role, index, who in auth.roles.everybody:
            problem = self._nobody(who)
            if problem is not None:
                raise refusal(*problem, ("server", "admin", "auth", "roles", role, index))
        return self

    def _nobody(self, who: str) -> tuple[str, str] | None:
        """Why no caller is `who` of a role, and what helps."""
        identity, prefix = self.identity, who.partition(":")[0]
        if prefix == "virtual_account":
            return None if identity.virtual_accounts else ("there are no virtual accounts", "")
        if prefix == "claim":
            hint = "claims of several issuers are not told apart: name teams, which have `groups_prefix`"
            return None if len(identity.issuers) == 1 else ("a claim needs exactly one of `identity.issuers`", hint)
        if prefix == "team":
            return None
        name = who.partition("|")[0]
        known = ", ".join(identity.by_name) or "none"
        return None if name in identity.by_name else (f"there is no issuer `{name}`", f"known: {known}")

    @model_validator(mode="after")
    def _planes_have_their_own_tokens(self) -> GatewaySettings:
        admin = self.server.admin
        if admin.auth is None or (admin.audience is None and admin.public_url is None and not admin.port):
            return self
        audience = admin.audience_at(admin.port)
        everywhere = {each for issuer in self.identity.issuers for each in issuer.audiences}
        if audience in everywhere or audience.startswith(f"{self.server.base_url}/"):
            raise refusal(
                "the audience of the control plane is one of the data plane: its tokens would be good for both",
                "give `server.admin.audience` one of its own",
                ("server", "admin", "public_url" if admin.audience is None else "audience"),
            )
        return self

    @model_validator(mode="after")
    def _has_an_address(self) -> GatewaySettings:
        if self.server.public_url is None and self.server.host in ("0.0.0.0", "::"):
            raise refusal(
                "`public_url` is needed where the gateway listens on every interface",
                "tokens are checked against it, and clients are told to come back to it",
                ("server",),
            )
        return self

    @model_validator(mode="after")
    def _anonymous_stays_here(self) -> GatewaySettings:
        if self.identity.anonymous == "loopback" and not self.server.public_on_loopback:
            raise refusal(
                "`anonymous: loopback` needs a `server.public_url` on loopback",
                "behind a proxy on this machine every caller would count as one on loopback: use `never`",
                ("identity", "anonymous"),
            )
        if not self.identity.issuers and not self.identity.virtual_accounts and not self.anonymous_allowed:
            raise refusal(
                "nobody could call: no issuers, no virtual accounts, and no anonymous callers",
                "add `identity.issuers`, or `identity.virtual_accounts: true`",
                ("identity",),
            )
        return self

    @property
    def anonymous_allowed(self) -> bool:
        """Whether a caller on loopback without a credential is the anonymous principal."""
        return self.identity.anonymous_on_loopback and self.server.on_loopback and self.server.public_on_loopback

    @model_validator(mode="after")
    def _only_first_key_is_made(self) -> GatewaySettings:
        for index, key in enumerate(self.state.encryption_keys[1:], 1):
            if key.secret is None:
                raise refusal("this encryption key file does not exist", at=("state", "encryption_keys", index))
        return self
