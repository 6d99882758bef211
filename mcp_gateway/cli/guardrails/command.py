"""`mcp-gateway guardrails`: the commands together."""

from __future__ import annotations

import typer

from mcp_gateway.cli.guardrails.eval import eval_
from mcp_gateway.cli.guardrails.test import test

guardrails = typer.Typer(help="Try guardrails on texts, without a gateway.", no_args_is_help=True)
guardrails.command()(test)
guardrails.command("eval")(eval_)
