"""`mcp-gateway audit ship`: how far copies of the record are, and shipping without a gateway."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from mcp_gateway.cli.audit.where import record_path
from mcp_gateway.cli.logs import configure
from mcp_gateway.cli.shipping import shippers
from mcp_gateway.cli.state import NO, refused, settings_of, stopped, timestamp
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.observability.audit.shipping.shipper import Shipper


def ship(
    once: bool = typer.Option(False, "--once", help="Ship what is there now, and leave with 1 if not all was taken."),
    status: bool = typer.Option(False, "--status", help="Show how far each place is. This is the default."),
    to: str | None = typer.Option(None, "--to", metavar="NAME", help="Only this place of `telemetry.audit.ship`."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
) -> None:
    """Show how far the copies of the record are that `telemetry.audit.ship` names, or bring them up to date.

    A gateway ships by itself while it runs; `--once` is for a record whose gateway does not run any more.
    """
    if once and status:
        raise typer.BadParameter("one of --once and --status", param_hint="--once")
    configure("error")
    settings = settings_of(config)
    record_path(settings, None)
    try:
        found = shippers(settings, to)
    except ConfigurationError as error:
        raise refused(error) from None
    if not found:
        wanted = "" if to is None else f" that is called {to!a}"
        raise stopped(f"there is nothing in `telemetry.audit.ship`{wanted}")
    well = True
    for each in found:
        if once:
            well = each.once() and well
        else:
            _look(each)
    _show(found, json_, once=once)
    if not well:
        raise typer.Exit(NO)


def _look(shipper: Shipper) -> None:
    try:
        shipper.look()
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None


def _show(found: Sequence[Shipper], as_json: bool, *, once: bool) -> None:
    facts = [_facts(each, once=once) for each in found]
    if as_json:
        print_json({"targets": facts})
        return
    for each in facts:
        behind = f"{count(each['behind_records'], 'record')} ({each['behind_bytes']} bytes) behind"
        last = f"took something last at {each['at']}" if each["at"] else "has taken nothing yet"
        told = [f"{each['name']}: {behind}", last]
        if once:
            told.append(f"{count(each['shipped'], 'record')} shipped now")
        if each.get("failing"):
            told.append(f"not taken: {each['failing']}")
        if each.get("elsewhere"):
            told.append("another process ships there now")
        typer.echo(printable(", ".join(told)))
        for chain, at in each["chains"].items():
            typer.echo(printable(f"  {chain}: through seq {at['seq']}"))


def _facts(shipper: Shipper, *, once: bool) -> dict[str, Any]:
    cursor, counts = shipper.cursor, shipper.counts
    facts = {
        "name": shipper.name,
        "behind_records": shipper.behind.records,
        "behind_bytes": shipper.behind.bytes,
        "at": timestamp(cursor.at),
        "chains": {
            chain: {"file": at.number, "offset": at.offset, "seq": at.seq}
            for chain, at in sorted(cursor.positions.items())
        },
    }
    if once:
        missing = {"missing": counts.missing, "unreadable": counts.unreadable, "rejected": counts.rejected}
        facts |= {"shipped": counts.shipped, **missing, "failing": shipper.failing, "elsewhere": shipper.elsewhere}
    return facts
