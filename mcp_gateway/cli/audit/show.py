"""`mcp-gateway audit tail` and `audit export`: what the record holds."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import typer

from mcp_gateway.cli.audit.where import record_path
from mcp_gateway.cli.state import settings_of, stopped
from mcp_gateway.cli.words import printable
from mcp_gateway.envelopes.observability.audit.find import Follow, newest, since
from mcp_gateway.settings.units import parse_duration

_CONFIG = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file.")

_POLL_SECONDS: Final = 0.25
_COLUMNS: Final = (
    "time",
    "event",
    "request_id",
    "principal",
    "agent",
    "server",
    "method",
    "upstream",
    "target",
    "model",
    "decision",
    "policies",
    "limit",
    "outcome",
    "reason",
    "duration_ms",
    "upstream_ms",
    "cost_nano_usd",
    "snapshot",
    "client_address",
    "http_method",
    "path",
    "status",
    "role",
    "route",
    "chain",
    "seq",
    "hash",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def tail(
    number: int = typer.Option(10, "-n", min=0, help="So many records, the newest."),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on with what is written, until Ctrl-C."),
    json_: bool = typer.Option(False, "--json", help="Print records as they are, one a line."),
    config: Path = _CONFIG,
) -> None:
    """Show the newest records."""
    path = record_path(settings_of(config), None)
    try:
        following = Follow(path)
        for record in newest(path, number) if number else ():
            _print(record, json_)
        while follow:
            for record in following.more():
                _print(record, json_)
            sys.stdout.flush()
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None


def export(
    since_: str | None = typer.Option(
        None, "--since", metavar="24h", help="How far back, or a date such as 2026-01-31. Default: all there is."
    ),
    json_: bool = typer.Option(False, "--json", help="Print records as they are, one a line. This is the default."),
    csv_: bool = typer.Option(False, "--csv", help="Print comma-separated values."),
    config: Path = _CONFIG,
) -> None:
    """Print records to standard output, the oldest first."""
    if json_ and csv_:
        raise typer.BadParameter("one of --csv and --json", param_hint="--csv")
    path = record_path(settings_of(config), None)
    found = since(path, _start(since_))
    try:
        if csv_:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for record in found:
                writer.writerow([_cell(_value(record, name)) for name in _COLUMNS])
        else:
            for record in found:
                sys.stdout.buffer.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None


def _start(text: str | None) -> str:
    if text is None:
        return ""
    try:
        if text[:4].isdecimal() and "-" in text:
            given = datetime.fromisoformat(text)
            start = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
        else:
            start = datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise stopped(f"--since {text!a}: {error}") from None
    return start.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _print(record: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(record).decode() + "\n")
        return
    asked = " ".join(str(record[name]) for name in ("http_method", "path") if record.get(name))
    what = next((record[name] for name in ("target", "model", "method") if record.get(name)), asked)
    where = record.get("server") or record.get("dialect") or ""
    reason = record.get("reason") or ""
    told = (record.get("time"), record.get("event"), record.get("request_id") or "-", record.get("principal") or "-")
    typer.echo(printable("  ".join(str(each) for each in (*told, where, what, record.get("outcome") or "", reason))))


def _value(record: Mapping[str, Any], name: str) -> object:
    if name == "cost_nano_usd" and "attempts" in record:
        return sum(each.get(name) or 0 for each in record["attempts"])
    return record.get(name)


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = ";".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
