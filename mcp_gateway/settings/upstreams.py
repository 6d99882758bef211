"""`upstreams`: the MCP servers that virtual servers are made of, as child processes or over HTTP."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from mcp_gateway.core.secret import REDACTED, Secret
from mcp_gateway.settings.addresses import Endpoint
from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Whole, empty_mapping, refusal, section
from mcp_gateway.settings.governance import EgressSettings
from mcp_gateway.settings.references import FileRef, LocalPath, is_reference, resolve_secret
from mcp_gateway.settings.units import Duration
from mcp_gateway.settings.upstream_auth import NoAuth, UpstreamAuth
from mcp_gateway.settings.words import holds_password, looks_secret

PROTOCOLS: Final = ("2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26")

Protocol = Literal["auto", "2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]

_PROCESS_KEYS: Final = ("command", "env", "cwd")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPTION: Final = re.compile(r"--?([A-Za-z][A-Za-z0-9_-]*)=.+", re.DOTALL)


class BreakerSettings(Model):
    """When an upstream that keeps failing is left alone for a while."""

    failures: Whole = Field(default=5, description="Failures in a row that open the breaker.")
    cooldown: Duration = Field(default=10.0, description="Time until one call is let through to try again.")


class TlsSettings(Model):
    """Certificates for the connection to an upstream. Its certificate is always verified."""

    ca: FileRef | None = Field(
        default=None, description="PEM file with the authorities to trust instead of the system's."
    )
    client_cert: FileRef | None = Field(default=None, description="PEM file with the gateway's certificate.")
    client_key: FileRef | None = Field(default=None, description="PEM file with the certificate's key.")

    @model_validator(mode="after")
    def _pair(self) -> TlsSettings:
        if (self.client_cert is None) != (self.client_key is None):
            raise refusal("`client_cert` and `client_key` are given together")
        return self


class _Upstream(Model):
    enabled: Flag = Field(
        default=True, description="false: treated as if it were not there, sources that name it are empty."
    )
    protocol: Protocol = Field(default="auto", description="MCP version to speak; auto negotiates once and remembers.")
    timeout: Duration = Field(default=30.0, description="Time for one call to be answered.")
    connect_timeout: Duration = Field(default=5.0, description="Time to connect.")
    idle_timeout: Duration = Field(
        default=300.0, description="How long a session of one caller with a handshake-era server is kept unused."
    )
    max_concurrency: Whole = Field(default=64, description="Calls to this upstream at once.")
    breaker: BreakerSettings = section()
    pinning: Literal["enforce", "warn", "off"] = Field(
        default="enforce",
        description="Tools that differ from tools.lock: enforce quarantines them, warn reports them, off ignores them.",
    )


def _argument(value: str) -> str:
    match = _OPTION.fullmatch(value)
    if "\x00" in value:
        raise refusal("an argument holds no NUL character")
    if holds_password(value) or (match is not None and looks_secret(match[1])):
        raise refusal("a literal secret is refused: arguments are visible to every process", "pass it through `env`")
    return value


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise refusal("expected the name of an environment variable")
    return name


def _environment_value(value: object, info: ValidationInfo) -> Secret | str:
    if isinstance(value, Secret) or is_reference(value):
        return resolve_secret(value, info)
    if not isinstance(value, str) or "\x00" in value:
        raise refusal("expected a string", "put it in quotes")
    return value


def _shown(value: Secret | str) -> str:
    return REDACTED if isinstance(value, Secret) else value


Argument = Annotated[str, Strict(), AfterValidator(_argument)]
Variable = Annotated[str, Strict(), AfterValidator(_variable)]
EnvironmentValue = Annotated[
    Secret | str,
    PlainValidator(_environment_value),
    PlainSerializer(_shown, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["env:GITHUB_TOKEN"]}),
]


class StdioUpstream(_Upstream):
    """A server started as a child process. Only this file can name one, never an API."""

    connect_timeout: Duration = Field(
        default=30.0, description="Time for the process to answer its first message; package runners install first."
    )
    command: tuple[Argument, ...] = Field(min_length=1, description="Program and arguments; no shell.")
    env: FrozenMapping[Variable, EnvironmentValue] = Field(
        default_factory=empty_mapping, description="Variables for the process; secrets as env:NAME or file:/path."
    )
    cwd: LocalPath = Field(default=".", validate_default=True, description="Working directory.")

    @model_validator(mode="after")
    def _no_literal_secrets(self) -> StdioUpstream:
        for name, value in self.env.items():
            if isinstance(value, str) and (looks_secret(name) or holds_password(value)):
                raise refusal(
                    "a literal secret is refused: expected env:NAME or file:/path",
                    "keep secrets out of this file",
                    ("env", name),
                )
        return self


class HttpUpstream(_Upstream):
    """A server reached over HTTP."""

    url: Endpoint = Field(description="Address of the MCP endpoint; plain http on loopback only.")
    transport: Literal["streamable-http", "sse"] = Field(
        default="streamable-http", description="sse is the deprecated HTTP+SSE transport of 2024-11-05."
    )
    tls: TlsSettings | None = Field(default=None, description="Certificates other than the system's.")
    auth: UpstreamAuth = Field(default=NoAuth(type="none"), description="The credential that reaches the upstream.")
    egress: EgressSettings = section()


def _kind(value: Any) -> str:
    """Which of the two is meant; of a mapping that has neither key, so that its error names the misspelled one."""
    if isinstance(value, Mapping):
        if "command" in value or "url" in value:
            return "stdio" if "command" in value else "http"
        close = any(difflib.get_close_matches(str(key), _PROCESS_KEYS, n=1, cutoff=0.6) for key in value)
        return "stdio" if close else "http"
    return "stdio" if isinstance(value, StdioUpstream) else "http"


Upstream = Annotated[
    Annotated[StdioUpstream, Tag("stdio")] | Annotated[HttpUpstream, Tag("http")],
    Discriminator(_kind),
]
"""A child process if it has a `command`, otherwise an address."""
