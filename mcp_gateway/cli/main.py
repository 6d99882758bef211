"""The `mcp-gateway` command."""

from __future__ import annotations

import typer

from mcp_gateway import __version__
from mcp_gateway.cli.audit.command import audit
from mcp_gateway.cli.check import check
from mcp_gateway.cli.connections import connections
from mcp_gateway.cli.demo.command import demo
from mcp_gateway.cli.explain.command import explain
from mcp_gateway.cli.guardrails.command import guardrails
from mcp_gateway.cli.keys import keys
from mcp_gateway.cli.lock.command import lock
from mcp_gateway.cli.migrate import migrate
from mcp_gateway.cli.plan.command import plan
from mcp_gateway.cli.policy.command import policy
from mcp_gateway.cli.schema import schema
from mcp_gateway.cli.serve import serve
from mcp_gateway.cli.usage import usage_command
from mcp_gateway.cli.vault import vault

app = typer.Typer(
    name="mcp-gateway",
    help="An MCP gateway: virtual servers composed from real ones, for clients of every protocol version.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcp-gateway {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_show_version, is_eager=True),
) -> None:
    """An MCP gateway: virtual servers composed from real ones, for clients of every protocol version."""


app.command()(serve)
app.command()(demo)
app.command()(check)
app.command()(schema)
app.command()(explain)
app.command()(lock)
app.command()(migrate)
app.command()(plan)
app.command("usage")(usage_command)
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")
app.add_typer(connections, name="connections")
app.add_typer(guardrails, name="guardrails")
app.add_typer(policy, name="policy")
app.add_typer(vault, name="vault")


def main() -> None:
    """The console script."""
    app()
