"""`mcp-gateway usage`: what was used and what it cost, summed by whatever requests say about themselves."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mcp_gateway.admin.figures import figures, shown, total
from mcp_gateway.cli.state import day, settings_of, timestamp, with_state
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.envelopes.observability.ledger.usage import BUILT_IN, Group, Sums, UnknownKey, since_hour, usage
from mcp_gateway.envelopes.policy.budgets.rules import NANO
from mcp_gateway.settings.units import parse_duration

_FIGURES: Final = ("requests", "attempts", "input_tokens", "output_tokens", "cost_usd", "unpriced")
_MOST_KEYS: Final = 8


def usage_command(
    by: str = typer.Option(
        "team", "--by", metavar="KEY[,KEY]", help=f"Keys of metadata, or {', '.join(BUILT_IN)}; metadata.KEY for both."
    ),
    since: str = typer.Option("7d", "--since", help="How far back, such as 24h or 7d, to the beginning of that hour."),
    csv_: bool = typer.Option(False, "--csv", help="Print comma-separated values."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
) -> None:
    """Sum up requests, tokens and costs. Works while a gateway serves, a second or so behind it."""
    keys = tuple(dict.fromkeys(key.strip() for key in by.split(",") if key.strip()))
    if not 0 < len(keys) <= _MOST_KEYS:
        raise typer.BadParameter(f"from 1 to {_MOST_KEYS} keys, separated by commas", param_hint="--by")
    if csv_ and json_:
        raise typer.BadParameter("one of --csv and --json", param_hint="--csv")
    begin = since_hour(max(0.0, time.time() - _seconds(since)))
    tenant = settings_of(config).state.tenant
    try:
        found = with_state(config, lambda state: usage(state.database, tenant=tenant, by=keys, since=begin))
    except UnknownKey as error:
        raise typer.BadParameter(f"there can be no key {str(error)!a}", param_hint="--by") from None
    if json_:
        _print_json(keys, begin, found)
    elif csv_:
        _print_csv(keys, found)
    else:
        _print_table(keys, begin, found)


def _print_json(keys: Sequence[str], begin: float, found: Sequence[Group]) -> None:
    print_json(
        {
            "by": keys,
            "since": timestamp(begin),
            "groups": [shown(keys, group) for group in found],
            "total": figures(total(found)),
        }
    )


def _print_csv(keys: Sequence[str], found: Sequence[Group]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*keys, *_FIGURES])
    for group in found:
        cells = figures(group.sums) | {"cost_usd": _dollars(group.sums)}
        writer.writerow([*(_inert(key or "") for key in group.keys), *(cells[name] for name in _FIGURES)])


def _print_table(keys: Sequence[str], begin: float, found: Sequence[Group]) -> None:
    if not found:
        typer.echo(f"Nothing was used since {day(begin)}.", err=True)
        return
    table = Table(box=None, pad_edge=False)
    for key in keys:
        table.add_column(Text(key))
    for title in ("Requests", "Attempts", "Input tokens", "Output tokens", "Cost in USD"):
        table.add_column(title, justify="right")
    for group in found:
        table.add_row(*(Text(printable(key or "–")) for key in group.keys), *_columns(group.sums))
    together = total(found)
    table.add_row("Total", *[""] * (len(keys) - 1), *_columns(together))
    Console(highlight=False, soft_wrap=True).print(table)
    typer.echo(f"Since {day(begin)} UTC.", err=True)
    if together.unpriced:
        typer.echo(f"The price of {count(together.unpriced, 'attempt')} is not known: counted as nothing.", err=True)


def _columns(sums: Sums) -> tuple[str, ...]:
    return (
        f"{sums.requests:,}",
        f"{sums.attempts:,}",
        f"{sums.input:,}",
        f"{sums.output:,}",
        f"{Decimal(sums.cost) / NANO:,.6f}",
    )


def _dollars(sums: Sums) -> str:
    """All nine decimals: a sum of these is exact."""
    return f"{Decimal(sums.cost) / NANO:.9f}"


def _inert(text: str) -> str:
    """What callers wrote is text in a spreadsheet, too, and never a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
