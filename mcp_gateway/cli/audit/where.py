"""Which record a command looks at."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.cli.state import stopped
from mcp_gateway.settings.settings import Settings


def record_path(settings: Settings, path: Path | None) -> Path:
    """`path`, or that of the configuration. Says so and leaves with 2 where there is none."""
    found = settings.telemetry.audit.path if path is None else path
    if found is None:
        raise stopped("there is no `telemetry.audit.path` in the configuration: nothing is kept")
    if not found.is_dir():
        raise stopped(f"there is no record at {found}")
    return found
