"""What a configuration may not hold, seen only when it is compiled or put in place of a running one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.findings import Severity
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.settings.governance import TelemetrySettings
from mcp_gateway.settings.server import ServerSettings
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.state import StateSettings


def refuse_conflicts(compiled: Mapping[str, Catalog]) -> None:
    """Raises `ConfigurationError` where compositions contradict themselves (`conflicts: error`)."""
    problems = [
        Problem(f"virtual server {name}", 0, 0, str(problem))
        for name, catalog in compiled.items()
        for problem in catalog.problems
        if problem.severity is Severity.ERROR
    ]
    if problems:
        raise ConfigurationError(problems)


def refuse_rebinding(old: Settings, new: Settings) -> None:
    """Some is fixed at start: changing it needs a restart, and saying so beats ignoring it."""
    fixed = (
        ("server", _fixed_server(old.server), _fixed_server(new.server)),
        ("state", _fixed_state(old.state), _fixed_state(new.state)),
        ("egress", old.gateway.egress, new.gateway.egress),
        *_fixed_telemetry(old.telemetry, new.telemetry),
    )
    problems = [
        Problem("gateway.yaml", 0, 0, f"`{name}` changed: restart the gateway to apply it", "the rest can be reloaded")
        for name, before, after in fixed
        if before != after
    ]
    if problems:
        raise ConfigurationError(problems)


def _fixed_server(server: ServerSettings) -> ServerSettings:
    # Who may ask the control plane is asked anew for each request; where it listens, and for whom tokens are, is not.
    return server.model_copy(update={"admin": server.admin.model_copy(update={"auth": server.admin.auth is not None})})


_FIXED: Final = ("otlp_endpoint", "otlp_protocol", "otlp_headers", "prometheus", "metric_labels", "audit")
"""Of telemetry, where it goes and under which labels. How much is told of requests is applied at once."""


def _fixed_telemetry(old: TelemetrySettings, new: TelemetrySettings) -> list[tuple[str, object, object]]:
    return [(f"telemetry.{name}", getattr(old, name), getattr(new, name)) for name in _FIXED]


def _fixed_state(state: StateSettings) -> tuple[object, ...]:
    # A key that was made at start is no change: a key with a file is known by the file.
    return (state.database, state.redis, *(key.path or key.secret for key in state.encryption_keys))
