"""`mcp-gateway audit verify`: is the record as it was written?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer

from mcp_gateway.cli.audit.copy import lines_of, taken
from mcp_gateway.cli.audit.where import record_path
from mcp_gateway.cli.recording import PURPOSE
from mcp_gateway.cli.state import NO, refused, settings_of, stopped
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.checking import Report, problems
from mcp_gateway.envelopes.observability.audit.copies import verify_copy
from mcp_gateway.envelopes.observability.audit.verify import verify
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.settings import Settings

TOLD_EVERY: Final = 100_000


def verify_command(
    path: Path | None = typer.Argument(
        None, metavar="[PATH]", help="The record, or one chain of it. Default: `telemetry.audit.path`."
    ),
    copy: str | None = typer.Option(
        None,
        "--from",
        metavar="COPY",
        help="A copy instead: the name of a place in `telemetry.audit.ship`, a database (postgresql://…, or env:NAME "
        "that holds it), a file of exported records, or - for standard input.",
    ),
    part: bool = typer.Option(
        False, "--part", help="With --from: the copy has some of the record only, as `export --since` gives."
    ),
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Look for records that were changed, removed, added or put in another order. 1 if there are any.

    The keys of the configuration prove what was signed with them. A gateway may be writing meanwhile.
    """
    if path is not None and copy is not None:
        raise typer.BadParameter("one of PATH and --from", param_hint="--from")
    settings = settings_of(config)
    try:
        signer = Signer(key_ring(settings.state), PURPOSE)
        report, looked_at = _record(settings, path, signer) if copy is None else _copy(settings, copy, signer, part)
    except ConfigurationError as error:
        raise refused(error) from None
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None
    if not report.chains and not report.findings:
        raise stopped(f"there is no record at {looked_at}")
    if json_:
        print_json(
            {
                "sound": report.sound,
                "records": report.records,
                "chains": report.chains,
                "anchors": report.anchors,
                "findings": [{**asdict(each), "file": str(each.file)} for each in report.findings],
            }
        )
    else:
        _print(report)
    if not report.sound:
        raise typer.Exit(NO)


def _record(settings: Settings, path: Path | None, signer: Signer) -> tuple[Report, Path]:
    folder = record_path(settings, path)
    return verify(folder, signer, _told), folder


def _copy(settings: Settings, copy: str, signer: Signer, part: bool) -> tuple[Report, Path]:
    where, lines = lines_of(settings, copy)
    report = verify_copy(lines, where, signer, _told, part=part, taken=taken(settings, copy))
    return report, where


def _print(report: Report) -> None:
    for each in report.findings:
        typer.echo(printable(f"{'note: ' if each.gravity == 'note' else ''}{each}"))
    wrong = len(problems(report))
    told = f"{count(report.records, 'record')} in {count(report.chains, 'chain')}"
    typer.echo(f"{told}: {count(wrong, 'thing') + ' wrong' if wrong else 'as they were written'}.")


def _told(report: Report) -> None:
    """How far it is, on a terminal only."""
    if report.records % TOLD_EVERY == 0 and sys.stderr.isatty():
        typer.echo(f"\r{report.records} records", nl=False, err=True)
