"""`mcp-gateway schema`: JSON Schemas, so that editors complete and check the YAML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
import typer

from mcp_gateway.settings.jsonschema import (
    GATEWAY,
    GUARDRAILS,
    MODELS,
    ROUTING,
    VIRTUAL_SERVER,
    gateway_schema,
    guardrails_schema,
    models_schema,
    routing_schema,
    virtual_server_schema,
)

UNUSABLE = 2
"""Exit code for a folder that cannot be written."""

_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gateway": GATEWAY,
        "virtual-server": VIRTUAL_SERVER,
        "guardrails": GUARDRAILS,
        "models": MODELS,
        "routing": ROUTING,
    }
)
_SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = MappingProxyType(
    {
        GATEWAY: gateway_schema,
        VIRTUAL_SERVER: virtual_server_schema,
        GUARDRAILS: guardrails_schema,
        MODELS: models_schema,
        ROUTING: routing_schema,
    }
)


class Which(StrEnum):
    """The kinds of file."""

    gateway = "gateway"
    virtual_server = "virtual-server"
    guardrails = "guardrails"
    models = "models"
    routing = "routing"

    @property
    def file(self) -> str:
        """Where its schema is written."""
        return _FILES[self.value]


def schema(
    output: Path = typer.Option(".", "--output", "-o", help="Folder to write the schemas to; made if absent."),
    show: Which | None = typer.Option(None, "--print", help="Print one schema instead of writing files."),
    json_: bool = typer.Option(False, "--json", help="Print which files were written as one JSON object."),
    config: Path | None = typer.Option(None, "--config", "-c", hidden=True, help="Accepted, as by every command."),
) -> None:
    """Write a schema for each kind of file (gateway.schema.json and so on), or print one of them."""
    if show is not None:
        _print(_SCHEMAS[show.file]())
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, made in _SCHEMAS.items():
            (output / name).write_bytes(orjson.dumps(made(), option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        typer.echo(f"cannot write to {output}: {error.strerror}", err=True)
        raise typer.Exit(UNUSABLE) from None
    written = [str(output / name) for name in _SCHEMAS]
    if json_:
        _print({"written": written})
        return
    for path in written:
        typer.echo(path)


def _print(value: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
