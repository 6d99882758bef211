"""`mcp-gateway vault`: which encryption keys what is stored needs, and moving it to the first one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import orjson
import typer

from mcp_gateway.cli.state import NO, with_state
from mcp_gateway.envelopes.identity.rewrap import KeyUse
from mcp_gateway.envelopes.identity.state import State

vault = typer.Typer(
    help="Which of state.encryption_keys are still needed. Works while a gateway serves.", no_args_is_help=True
)

_BATCH: Final = 200
_CONFIG = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")


@vault.command()
def status(config: Path = _CONFIG, json_: bool = _JSON) -> None:
    """Count what is sealed under the first key and under others. Leaves with 1 while others are needed."""
    _say(with_state(config, lambda state: state.rewrap.use()), json_)


@vault.command()
def rewrap(config: Path = _CONFIG, json_: bool = _JSON) -> None:
    """Move everything to the first key now. A gateway that serves does the same by itself, in the background."""
    _say(with_state(config, _rewrap), json_)


async def _rewrap(state: State) -> KeyUse:
    while await state.rewrap.some(_BATCH):
        pass
    return await state.rewrap.use()


def _say(use: KeyUse, json_: bool) -> None:
    if json_:
        facts = {"first_key": use.first, "other_keys": use.other, "others_needed": use.other > 0}
        sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif use.other:
        typer.echo(f"{use.first} sealed under the first key, {use.other} under others, which are still needed.")
    else:
        typer.echo(f"{use.first} sealed under the first key. No other key is needed.")
    if use.other:
        raise typer.Exit(NO)
