"""`mcp-gateway policy`: the commands together."""

from __future__ import annotations

import typer

from mcp_gateway.cli.policy.check import check
from mcp_gateway.cli.policy.explain import explain
from mcp_gateway.cli.policy.replay.command import replay
from mcp_gateway.cli.policy.schema import schema
from mcp_gateway.cli.policy.test import test

policy = typer.Typer(
    help="Check, test, explain and replay the policies. The upstreams are started to learn what they offer.",
    no_args_is_help=True,
)
policy.command()(check)
policy.command()(schema)
policy.command()(test)
policy.command()(explain)
policy.command()(replay)
