"""What loading gives: one frozen value that the rest of the gateway is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway.settings.documents import Document
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.governance import TelemetrySettings
from mcp_gateway.settings.guardrails import GuardrailsSettings
from mcp_gateway.settings.identity import IdentitySettings
from mcp_gateway.settings.llm import LlmSettings
from mcp_gateway.settings.lock import Lock
from mcp_gateway.settings.server import LimitSettings, ServerSettings
from mcp_gateway.settings.state import StateSettings
from mcp_gateway.settings.upstreams import HttpUpstream, StdioUpstream
from mcp_gateway.settings.virtual_servers import VirtualServerSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration that is complete and consistent.

    `servers` are the virtual servers by name. `files` is everything that was read, secrets and certificates
    included, and `folders` where a new file would be read: what to watch. `digest` is the SHA-256 of the YAML
    files (not of secrets, so it may be shown): equal digests with different secrets compare unequal by `==`.
    `policies` are the files and texts of the policies, None where the configuration has none. `guardrails` is the file
    of that name, kept whole: what is wrong with an instance is seen by the room that understands it, and shown there.
    `llm` is the LLM plane, None where the configuration has none.
    `lock` holds the accepted tool definitions, None without a lock file.
    `environment` is the harmless part of the environment, for child processes. `notices` are for people.
    """

    gateway: GatewaySettings
    servers: Mapping[str, VirtualServerSettings]
    base_dir: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    digest: str
    environment: Mapping[str, str]
    policies: tuple[tuple[Path, str], ...] | None = None
    guardrails: Document[GuardrailsSettings] | None = None
    llm: LlmSettings | None = None
    lock: Lock | None = None
    notices: tuple[str, ...] = ()

    @property
    def server(self) -> ServerSettings:
        """The listeners."""
        return self.gateway.server

    @property
    def limits(self) -> LimitSettings:
        """What a request may cost."""
        return self.gateway.server.limits

    @property
    def state(self) -> StateSettings:
        """Database, shared store and keys."""
        return self.gateway.state

    @property
    def identity(self) -> IdentitySettings:
        """Who may call."""
        return self.gateway.identity

    @property
    def upstreams(self) -> Mapping[str, StdioUpstream | HttpUpstream]:
        """The configured MCP servers by name, disabled ones included."""
        return self.gateway.upstreams

    @property
    def telemetry(self) -> TelemetrySettings:
        """Traces, metrics and audit."""
        return self.gateway.telemetry
