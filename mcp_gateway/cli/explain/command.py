"""`mcp-gateway explain`: why did this request behave as it did?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from mcp_gateway.cli.audit.where import record_path
from mcp_gateway.cli.explain.story import Story, records_told, tell
from mcp_gateway.cli.state import NO, settings_of, stopped
from mcp_gateway.cli.words import print_json, printable
from mcp_gateway.envelopes.observability.audit.find import introduced, of_request


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
        records = of_request(path, request_id)
        digest = next((each["asked"]["who"] for each in records if "who" in (each.get("asked") or {})), None)
        who = None if digest is None else introduced(path, str(digest), str(records[-1].get("chain")))
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None
    if not records:
        raise stopped(f"the record does not know the request {request_id!a}", NO)
    story = tell(request_id, records, who)
    if json_:
        print_json(facts(story))
    else:
        for line in lines(story):
            typer.echo(printable(line))


def lines(story: Story) -> list[str]:
    """The story as people read it."""
    steps = [("Request", story.request_id), *story.steps, ("Record", records_told(story))]
    width = max(len(about) for about, _ in steps)
    return [f"{about:<{width}}  {told}" for about, told in steps]


def facts(story: Story) -> dict[str, Any]:
    """The story as programs read it, with the records that tell it."""
    steps = [{"about": about, "said": told} for about, told in story.steps]
    return {"request_id": story.request_id, "ended": story.ended, "steps": steps, "records": list(story.records)}
