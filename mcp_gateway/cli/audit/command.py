"""`mcp-gateway audit`: the commands together."""

from __future__ import annotations

import typer

from mcp_gateway.cli.audit.ship import ship
from mcp_gateway.cli.audit.show import export, tail
from mcp_gateway.cli.audit.verify import verify_command

audit = typer.Typer(help="The record of calls: is it as it was written, what does it hold.", no_args_is_help=True)
audit.command("verify")(verify_command)
audit.command()(tail)
audit.command()(export)
audit.command()(ship)
