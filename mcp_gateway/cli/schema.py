"""`mcp-gateway schema`: JSON Schemas, so that editors complete and check the YAML."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
import typer

from mcp_gateway.settings.jsonschema import (
    GATEWAY,
    GUARDRAILS,
    VIRTUAL_SERVER,
    gateway_schema,
    guardrails_schema,
    virtual_server_schema,
)

UNUSABLE = 2
"""Exit code for a folder that cannot be written."""


class Which(StrEnum):
    """The kinds of file."""

    gateway = "gateway"
    virtual_server = "virtual-server"
    guardrails = "guardrails"

    @property
    def file(self) -> str:
        """Where its schema is written."""
        return {"gateway": GATEWAY, "virtual-server": VIRTUAL_SERVER, "guardrails": GUARDRAILS}[self.value]


def schema(
    output: Path = typer.Option(".", "--output", "-o", help="Folder to write the schemas to; made if absent."),
    show: Which | None = typer.Option(None, "--print", help="Print one schema instead of writing files."),
    json_: bool = typer.Option(False, "--json", help="Print which files were written as one JSON object."),
    config: Path | None = typer.Option(None, "--config", "-c", hidden=True, help="Accepted, as by every command."),
) -> None:
    """Write gateway.schema.json, virtual-server.schema.json and guardrails.schema.json, or print one of them."""
    schemas = {GATEWAY: gateway_schema(), VIRTUAL_SERVER: virtual_server_schema(), GUARDRAILS: guardrails_schema()}
    if show is not None:
        _print(schemas[show.file])
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, content in schemas.items():
            (output / name).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        typer.echo(f"cannot write to {output}: {error.strerror}", err=True)
        raise typer.Exit(UNUSABLE) from None
    written = [str(output / name) for name in schemas]
    if json_:
        _print({"written": written})
        return
    for path in written:
        typer.echo(path)


def _print(value: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
