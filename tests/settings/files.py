"""Writing configurations for tests and loading them back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.settings.load import load
from mcp_gateway.settings.settings import Settings

SERVER = """\
name: one
sources:
  - upstream: time
"""
GATEWAY = """\
upstreams:
  time: {command: [mcp-server-time]}
"""


def write(folder: Path, gateway: str = GATEWAY, **servers: str) -> Path:
    """Put a gateway.yaml and virtual servers into `folder`; returns the path of gateway.yaml."""
    path = folder / "gateway.yaml"
    path.write_text(dedent(gateway), encoding="utf-8")
    (folder / "virtual_servers").mkdir(exist_ok=True)
    for name, text in servers.items():
        (folder / "virtual_servers" / f"{name}.yaml").write_text(dedent(text), encoding="utf-8")
    return path


def loaded(folder: Path, gateway: str = GATEWAY, environ: Mapping[str, str] | None = None, **servers: str) -> Settings:
    """What the files load to."""
    return load(write(folder, gateway, **servers), environ or {})


def complaints(
    folder: Path, gateway: str = GATEWAY, environ: Mapping[str, str] | None = None, **servers: str
) -> list[str]:
    """The problems of the files, each as `file:line:column: message (hint)` with the file relative to `folder`."""
    try:
        load(write(folder, gateway, **servers), environ or {})
    except ConfigurationError as error:
        return [str(problem).replace(f"{folder}/", "") for problem in error.problems]
    return []
