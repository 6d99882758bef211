"""`mcp-gateway policy schema`: the Cedar schema of what there is, for editors and reviewers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from mcp_gateway.cli.policy.world import CONFIG, World, tell_unread, world_of
from mcp_gateway.cli.state import settings_of, stopped
from mcp_gateway.cli.words import print_json
from mcp_gateway.envelopes.policy.cedar.model import Facts
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema
from mcp_gateway.envelopes.policy.cedar.write_schema import schema_text


def schema(
    server: str | None = typer.Option(None, "--server", metavar="NAME", help="Only what this virtual server offers."),
    config: Path = CONFIG,
    json_: bool = typer.Option(False, "--json", help="Print Cedar's JSON form instead of its text."),
) -> None:
    """Print the schema that policies are checked against. Upstreams that cannot be asked are told on standard error."""
    settings = settings_of(config)
    if server is not None and server not in settings.servers:
        raise stopped(f"there is no virtual server {server!r}")
    world = world_of(settings)
    tell_unread(world)
    facts = world.facts if server is None else _offered(world, server)
    if json_:
        print_json(cedar_schema(facts))
    else:
        typer.echo(schema_text(facts), nl=False)


def _offered(world: World, server: str) -> Facts:
    catalog = world.catalogs[server]
    tools = {(tool.upstream, tool.upstream_name) for tool in catalog.tools.values()}
    prompts = {(prompt.upstream, prompt.upstream_name) for prompt in catalog.prompts.values()}
    return replace(
        world.facts,
        upstreams=tuple(sorted({source.upstream for source in world.settings.servers[server].sources})),
        tools=tuple(each for each in world.facts.tools if (each.upstream, each.name) in tools),
        prompts=tuple(each for each in world.facts.prompts if (each.upstream, each.name) in prompts),
    )
