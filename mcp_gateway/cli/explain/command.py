"""`mcp-gateway explain`: why did this request behave as it did?"""

from __future__ import annotations

from pathlib import Path

import typer

from mcp_gateway.admin.explain.look import story_of
from mcp_gateway.admin.explain.story import facts, lines
from mcp_gateway.cli.audit.where import record_path
from mcp_gateway.cli.state import NO, settings_of, stopped
from mcp_gateway.cli.words import print_json, printable


def explain(
    request_id: str = typer.Argument(..., metavar="REQUEST_ID", help="What `X-Request-Id` said."),
    from_: Path | None = typer.Option(
        None, "--from", metavar="PATH", help="The record. Default: `telemetry.audit.path`."
    ),
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Tell the whole story of one request, from the record alone. 1 if the record does not know it."""
    path = record_path(settings_of(config), from_)
    try:
        story = story_of(path, request_id)
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None
    if story is None:
        raise stopped(f"the record does not know the request {request_id!a}", NO)
    if json_:
        print_json(facts(story))
    else:
        for line in lines(story):
            typer.echo(printable(line))
