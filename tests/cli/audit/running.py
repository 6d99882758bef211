"""Running commands on a configuration."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])
