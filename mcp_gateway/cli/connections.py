"""`mcp-gateway connections`: the accounts at upstreams that people have connected."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mcp_gateway.cli.state import NO, day, settings_of, stopped, with_state
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher, Trust
from mcp_gateway.envelopes.identity.connections import Connections, Disconnected
from mcp_gateway.envelopes.identity.metadata import trust_in
from mcp_gateway.envelopes.identity.shown import show_connection, show_disconnected
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey
from mcp_gateway.envelopes.identity.token_client import TokenClient
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.upstream_auth import AuthorizationCodeAuth
from mcp_gateway.settings.upstreams import HttpUpstream

connections = typer.Typer(
    help="List and revoke the accounts that people have connected. Works while a gateway serves.",
    no_args_is_help=True,
)

_CONFIG = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")
_TOLD: Final[Mapping[str, str]] = {
    "done": "its authorization server was told",
    "failed": "its authorization server could not be told: revoke it there, too",
    "none": "there is no way to tell its authorization server",
}


@connections.command("list")
def list_(
    principal: str | None = typer.Option(None, "--principal", help="Of this principal only, such as 'corp|alice'."),
    upstream: str | None = typer.Option(None, "--upstream", help="At this upstream only."),
    config: Path = _CONFIG,
    json_: bool = _JSON,
) -> None:
    """List connected accounts. There are no tokens in the list."""
    found = with_state(config, lambda state: state.vault.connections(principal=principal, upstream=upstream))
    if json_:
        _print({"connections": [show_connection(each) for each in found]})
        return
    table = Table("Principal", "Upstream", "State", "Scopes", "Account at", "Agent", "Since", box=None, pad_edge=False)
    for each in found:
        texts = (
            each.principal,
            each.upstream,
            each.status,
            " ".join(each.scopes),
            each.issuer or each.kind,
            each.agent,
        )
        table.add_row(*map(Text, texts), day(each.created_at))
    if found:
        Console(highlight=False, soft_wrap=True).print(table)
    else:
        typer.echo("There are no connections.", err=True)


@connections.command()
def revoke(
    principal: str = typer.Argument(..., metavar="PRINCIPAL", help="Whose account, such as 'corp|alice'."),
    upstream: str = typer.Argument(..., metavar="UPSTREAM", help="At which upstream."),
    config: Path = _CONFIG,
    json_: bool = _JSON,
) -> None:
    """Delete a connection and tell its authorization server (RFC 7009). Takes effect within a minute everywhere."""
    settings = settings_of(config)
    done = with_state(config, lambda state: _revoke(state, settings, GrantKey(principal, upstream)))
    if done is None:
        raise stopped("there is no such connection", NO)
    if json_:
        _print(show_disconnected(done))
    else:
        typer.echo(f"Deleted; {_TOLD[done.revocation]}.", err=True)


async def _revoke(state: State, settings: Settings, key: GrantKey) -> Disconnected | None:
    fetcher = Fetcher(Allowed.parse(settings.gateway.egress.allow))
    tokens = TokenClient(fetcher)
    upstream = settings.upstreams.get(key.upstream)
    allowed = Allowed.parse(upstream.egress.allow) if isinstance(upstream, HttpUpstream) else None

    async def tell(grant: Grant) -> None:
        await tokens.revoke(grant, trust=_trust(grant, upstream), allowed=allowed)

    kept = Connections(
        state.vault, forget=lambda *_: None, revoke=tell, log=structlog.get_logger("connections"), pauses=(1.0, 3.0)
    )
    try:
        return await kept.disconnect(key, finish=True)
    finally:
        await kept.close()
        await fetcher.close()


def _trust(grant: Grant, upstream: object) -> Trust:
    """An authorization server that the configuration names may be at a private address."""
    if not isinstance(upstream, HttpUpstream) or not isinstance(upstream.auth, AuthorizationCodeAuth):
        return Trust.LEARNED
    auth = upstream.auth
    written = (upstream.url, auth.issuer, auth.authorization_url, auth.token_url)
    return trust_in(grant.revocation_url, [url for url in written if url])


def _print(facts: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
