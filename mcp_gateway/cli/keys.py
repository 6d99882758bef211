"""`mcp-gateway keys`: virtual accounts, identities for programs that a key proves."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mcp_gateway.cli.state import NO, day, settings_of, stopped, timestamp, with_state
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.stores import AccountExists, VirtualAccount
from mcp_gateway.settings.base import NAME_PATTERN
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.units import parse_duration

keys = typer.Typer(
    help="Make, list, rotate and revoke the keys of virtual accounts. Works while a gateway serves.",
    no_args_is_help=True,
)

_ITEM: Final = re.compile(r"[\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]{1,256}")
"""A team or a scope: RFC 6749's scope-token, without the comma that separates them here."""

_MOST_SECONDS: Final = 36_500 * 86_400.0

_CONFIG = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")
_NAME = typer.Argument(..., metavar="NAME", help="The account: lower-case letters, digits, `_` and `-`.")


@keys.command()
def create(
    name: str = _NAME,
    teams: str = typer.Option("", "--teams", help="Teams that the account is in, separated by commas."),
    scopes: str = typer.Option("", "--scopes", help="Scopes that the account has, separated by commas."),
    expires: str | None = typer.Option(None, "--expires", help="How long it is good, such as 90d. Default: no end."),
    owner: str | None = typer.Option(
        None, "--owner", help="Who answers for it and may connect accounts at upstreams for it: ISSUER|SUBJECT."
    ),
    config: Path = _CONFIG,
    json_: bool = _JSON,
) -> None:
    """Make a virtual account. Its key is printed once, alone on standard output, and stored as a digest only."""
    settings = settings_of(config)
    account = VirtualAccount(
        name=_named(name),
        teams=_items(teams, "--teams"),
        scopes=_items(scopes, "--scopes"),
        owner=_owner(owner, settings),
        expires_at=None if expires is None else time.time() + _seconds(expires, "--expires"),
    )
    try:
        key = with_state(config, lambda state: state.accounts.create(account))
    except AccountExists:
        raise stopped(f"there is or was an account {name}; a name is used once", NO) from None
    if not settings.identity.virtual_accounts:
        typer.echo("notice: this gateway accepts no keys (identity.virtual_accounts: false)", err=True)
    _give(name, key, json_, {"expires_at": timestamp(account.expires_at)})


@keys.command("list")
def list_(config: Path = _CONFIG, json_: bool = _JSON) -> None:
    """List all virtual accounts. There are no keys in the list: nobody can have one again."""
    accounts = with_state(config, lambda state: state.accounts.list())
    if json_:
        _print({"accounts": [_facts(account) for account in accounts]})
        return
    table = Table("Account", "State", "Teams", "Scopes", "Owner", "Created", "Expires", box=None, pad_edge=False)
    for account in accounts:
        texts = (", ".join(account.teams), ", ".join(account.scopes), account.owner or "")
        table.add_row(
            account.name, _standing(account), *map(Text, texts), day(account.created_at), day(account.expires_at)
        )
    if accounts:
        Console(highlight=False, soft_wrap=True).print(table)
    else:
        typer.echo("There are no virtual accounts.", err=True)


@keys.command()
def revoke(name: str = _NAME, config: Path = _CONFIG, json_: bool = _JSON) -> None:
    """End an account for good. Its keys stop working within ten seconds on every replica."""
    name = _named(name)
    if not with_state(config, lambda state: state.accounts.revoke(name)):
        raise stopped(f"there is no account {name}", NO)
    if json_:
        _print({"name": name, "revoked": True})
    else:
        typer.echo(f"Revoked {name}.", err=True)


@keys.command()
def rotate(
    name: str = _NAME,
    grace: str | None = typer.Option(None, "--grace", help="How long the old key still works, such as 1h."),
    config: Path = _CONFIG,
    json_: bool = _JSON,
) -> None:
    """Give an account a new key, printed once and alone on standard output. Without --grace the old one ends now."""
    seconds = 0.0 if grace is None else _seconds(grace, "--grace")
    name = _named(name)
    key = with_state(config, lambda state: state.accounts.rotate(name, grace=seconds))
    if key is None:
        raise stopped(f"there is no account {name}, or it was revoked", NO)
    _give(name, key, json_, {"old_key_until": timestamp(time.time() + seconds)})


def _give(name: str, key: Secret, json_: bool, facts: dict[str, Any]) -> None:
    """The one place that shows a key."""
    if json_:
        _print({"name": name, "key": key.reveal()} | facts)
        return
    sys.stdout.write(key.reveal() + "\n")
    typer.echo(f"This is the key of {name}; it cannot be shown again. Send it as `Authorization: Bearer …`.", err=True)


def _named(name: str) -> str:
    if re.fullmatch(NAME_PATTERN, name) is None or name.endswith("\n"):
        raise typer.BadParameter("a name has 1 to 63 lower-case letters, digits, `_` or `-`", param_hint="NAME")
    return name


def _items(text: str, option: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    if not all(map(_ITEM.fullmatch, found)):
        raise typer.BadParameter("printable ASCII words, separated by commas", param_hint=option)
    return found


def _seconds(text: str, option: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    if seconds > _MOST_SECONDS:
        raise typer.BadParameter("a hundred years at most", param_hint=option)
    return seconds


def _owner(owner: str | None, settings: Settings) -> str | None:
    """A person of a configured issuer: nobody else could ever sign in for the account."""
    if owner is None:
        return None
    issuer, separator, subject = owner.partition("|")
    if not separator or not subject.isprintable() or not subject:
        raise typer.BadParameter("a person is ISSUER|SUBJECT, such as 'corp|alice'", param_hint="--owner")
    if issuer not in {each.name for each in settings.identity.issuers}:
        raise typer.BadParameter(f"there is no issuer {issuer!a} in the configuration", param_hint="--owner")
    return owner


def _facts(account: VirtualAccount) -> dict[str, Any]:
    return {
        "name": account.name,
        "state": _standing(account),
        "teams": account.teams,
        "scopes": account.scopes,
        "owner": account.owner,
        "created_at": timestamp(account.created_at),
        "expires_at": timestamp(account.expires_at),
        "revoked_at": timestamp(account.revoked_at),
        "rotated_at": timestamp(account.rotated_at),
    }


def _standing(account: VirtualAccount) -> str:
    if account.revoked_at is not None:
        return "revoked"
    return "expired" if account.expires_at is not None and account.expires_at <= time.time() else "active"


def _print(facts: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
