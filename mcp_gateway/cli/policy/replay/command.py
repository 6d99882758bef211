"""`mcp-gateway policy replay`: which recorded decisions would come out differently?"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer

from mcp_gateway.cli.policy.replay.again import DecideAgain
from mcp_gateway.cli.policy.replay.inferred import Inference
from mcp_gateway.cli.policy.replay.lines import STANDARD_INPUT, Read, files_of, records
from mcp_gateway.cli.policy.replay.recorded import Decided, Foreign, Identity, decided, identity
from mcp_gateway.cli.policy.replay.tally import Tally
from mcp_gateway.cli.policy.world import CONFIG, JSON, require_parsed, require_sound, tell_unread, world_of
from mcp_gateway.cli.state import NO, refused, settings_of, stopped
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.model import PolicyText, Source
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from mcp_gateway.govern import Policies, govern, policy_text
from mcp_gateway.settings.policy_files import policy_files
from mcp_gateway.settings.policy_files import read_policies as read_files
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.units import parse_duration

MAX_IDENTITIES: Final = 100_000
"""Most identities that are kept; beyond, those met first are forgotten, and what they asked is not known."""

TOLD_EVERY: Final = 20_000
"""Lines between two notes of how far it is, on a terminal."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions are looked at. `since` is in the form of the records' times."""

    since: str
    server: str | None
    principal: str | None

    def has(self, record: dict[str, Any]) -> bool:
        """Whether the record of a call is one of them."""
        return (
            str(record.get("time", "")) >= self.since
            and self.server in (None, record.get("server"))
            and self.principal in (None, record.get("principal"))
        )


def replay(
    with_: Path | None = typer.Option(
        None, "--with", metavar="DIR", help="A folder of policies. Default: those of the configuration."
    ),
    from_: Path | None = typer.Option(
        None, "--from", metavar="PATH", help="The record: a file, a folder, or - . Default: `telemetry.audit.path`."
    ),
    since: str | None = typer.Option(None, "--since", metavar="24h", help="How far back. Default: all there is."),
    server: str | None = typer.Option(None, "--server", help="Only calls of this virtual server."),
    who: str | None = typer.Option(None, "--as", metavar="PRINCIPAL", help="Only calls of this principal."),
    each: bool = typer.Option(False, "--each", help="List decisions one by one, not alike ones together."),
    limit: int = typer.Option(100, "--limit", min=1, help="List at most so many, the newest."),
    fail_on_change: bool = typer.Option(False, "--fail-on-change", help="1 where a decision changes."),
    config: Path = CONFIG,
    json_: bool = JSON,
) -> None:
    """Decide recorded calls again by other policies and say which come out differently. No tool is called."""
    settings = settings_of(config)
    wanted = Wanted(_since(since), server, who)
    files = _files(settings, from_)
    text = _text(settings, with_)
    require_parsed(text)
    world = world_of(settings)
    tell_unread(world)
    require_sound(world, text)
    governance = govern(Policies(text, Compiled(text), audit=False), world.facts, world.catalogs)
    again = DecideAgain(governance.engine, governance.subjects, Inference(policy_text(settings), text))
    tally, read = Tally(limit=limit, each=each), Read()
    try:
        for made, by in _decisions(files, wanted, read):
            tally.add(made, again(made, by))
    except OSError as error:
        raise stopped(f"cannot read the record {error.filename}: {error.strerror}") from None
    if json_:
        print_json(_facts(tally, read))
    else:
        _print(tally, read)
    if fail_on_change and tally.results["changed"]:
        raise typer.Exit(NO)


def _since(text: str | None) -> str:
    if text is None:
        return ""
    try:
        start = datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError) as error:
        raise stopped(f"--since {text!a}: {error}") from None
    return start.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _files(settings: Settings, path: Path | None) -> list[Path]:
    if path is None:
        path = settings.telemetry.audit.path
        if path is None:
            raise stopped("there is no `telemetry.audit.path`: name a record with --from, or - for standard input")
        if not path.exists():
            raise stopped(f"there is no record at {path}: name one with --from")
    try:
        found = files_of(path)
    except OSError as error:
        raise stopped(f"cannot read the record {path}: {error.strerror}") from None
    if path != STANDARD_INPUT and not all(each.exists() for each in found):
        raise stopped(f"there is no record at {path}")
    return found


def _text(settings: Settings, folder: Path | None) -> PolicyText:
    if folder is None:
        text = policy_text(settings)
        if text is None:
            raise stopped("the configuration has no policies: name some with --with")
        return text
    if not folder.is_dir():
        raise stopped(f"there is no folder {folder}")
    problems: list[Problem] = []
    files = read_files(policy_files(folder, problems), problems)
    if problems:
        raise refused(ConfigurationError(problems))
    return read_policies([Source(str(path), text) for path, text in files], folder=str(folder))


def _decisions(files: list[Path], wanted: Wanted, read: Read) -> Iterator[tuple[Decided, Identity | None]]:
    """Every decision that is `wanted`, and who asked. Raises `OSError`."""
    known: OrderedDict[str, Identity] = OrderedDict()
    for record in records(files, read, _told):
        try:
            if record["event"] == "principal":
                found = identity(record)
                known.setdefault(found.digest, found)  # the same principal keeps what the engine knows of it
                if len(known) > MAX_IDENTITIES:
                    known.popitem(last=False)
            elif record["event"] == "call" and wanted.has(record):
                made = decided(record)
                if made is not None:
                    yield made, known.get(made.who)
        except Foreign:
            read.foreign += 1
    if read.lines >= TOLD_EVERY and sys.stderr.isatty():
        typer.echo(err=True)


def _told(read: Read) -> None:
    """How far it is, on a terminal only."""
    if read.lines % TOLD_EVERY == 0 and sys.stderr.isatty():
        typer.echo(f"\r{read.lines} lines", nl=False, err=True)


def _facts(tally: Tally, read: Read) -> dict[str, Any]:
    listed = tally.one_by_one()
    return {
        "decisions": tally.results.total(),
        "same": tally.results["same"],
        "changed": tally.results["changed"],
        "unknown": tally.results["unknown"],
        "changes": dict(sorted(tally.changes.items())),
        "unknown_because": dict(tally.unknown.most_common()),
        "lines": read.lines,
        "foreign_lines": read.foreign,
        **({"groups": [group.json() for group in tally.groups()]} if listed is None else {"each": list(listed)}),
    }


def _print(tally: Tally, read: Read) -> None:
    listed = tally.one_by_one()
    if listed is None:
        for group in tally.groups():
            when = group.last if group.count == 1 else f"{group.first} … {group.last}"
            typer.echo(printable(f"{_change(group.json())}  {count(group.count, 'call')}, {when}"))
            typer.echo(printable(_why(group.json())))
    else:
        for one in listed:
            typer.echo(printable(f"{_change(one)}  {one['time']} {one['request_id']}"))
            typer.echo(printable(_why(one)))
    for why, number in tally.unknown.most_common():
        typer.echo(printable(f"not known for {count(number, 'decision')}: {why}"))
    if read.foreign:
        typer.echo(f"{count(read.foreign, 'line')} of {read.lines} could not be read as records.")
    changes = ", ".join(f"{number} {change}" for change, number in sorted(tally.changes.items()))
    results = tally.results
    typer.echo(
        f"{count(results.total(), 'decision')}: {results['same']} the same, {results['changed']} changed"
        + (f" ({changes})" if changes else "")
        + f", {results['unknown']} not known."
    )


def _change(facts: dict[str, Any]) -> str:
    return f"{facts['was']} → {facts['would_be']}  {facts['principal']}  {facts['server']}  {facts['what']}"


def _why(facts: dict[str, Any]) -> str:
    return f"    was by {_by(facts['policies'])}; would be by {_by(facts['would_policies'])}"


def _by(policies: list[str]) -> str:
    return ", ".join(policies) or "no policy"
