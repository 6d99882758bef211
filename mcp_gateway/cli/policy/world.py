"""What the commands about policies work on: a configuration, its policies and what its upstreams offer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
import typer

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.cli.logs import configure
from mcp_gateway.cli.state import refused, settings_of, stopped
from mcp_gateway.compose import catalogs
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.envelopes.policy.cedar.check import check
from mcp_gateway.envelopes.policy.cedar.model import Facts, PolicyText, Remark, Source
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema
from mcp_gateway.identify import Identity
from mcp_gateway.policies import facts_of
from mcp_gateway.settings.governance import PolicySettings
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.settings import Settings
from mcp_gateway.upstream.fleet import Fleet
from mcp_gateway.upstream.spec import Reach

SETTLE_SECONDS: Final = 30.0
"""How long a command waits for upstreams to say what they offer."""

CONFIG: Final = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file.")
JSON: Final = typer.Option(False, "--json", help="Print one JSON object.")


@dataclass(frozen=True, slots=True)
class World:
    """The upstreams of a configuration were asked. `unread` says why of those whose tools are not known."""

    settings: Settings
    facts: Facts
    catalogs: Mapping[str, Catalog]
    unread: Mapping[str, str]


def world_of(settings: Settings) -> World:
    """Ask the upstreams of `settings`. Where that cannot even begin, says why and leaves with 2."""
    configure("error")
    try:
        inventories = asyncio.run(_inventories(settings))
    except ConfigurationError as error:
        raise refused(error) from None
    except IdentityUnavailable as error:
        raise stopped(error.message) from None
    unread = {name: each.error or "not read yet" for name, each in inventories.items() if not each.available}
    return World(settings, facts_of(settings, inventories), catalogs(settings, inventories), unread)


async def _inventories(settings: Settings) -> Mapping[str, Inventory]:
    log = structlog.get_logger("policy")
    identity = await Identity.open(
        settings, keys=key_ring(settings.state), base_url=settings.server.base_url, log=log, report=_defect
    )
    reach = Reach(Allowed.parse(settings.gateway.egress.allow), settings.limits.response)
    fleet = Fleet(log, base_dir=settings.base_dir, reach=reach, credentials=identity.credentialing.credentials)
    try:
        await fleet.apply(settings.upstreams)
        await fleet.settled(SETTLE_SECONDS)
        return {name: fleet.inventory(name) for name in settings.upstreams}
    finally:
        await fleet.close()
        await identity.close()


def _defect(where: str, defect: Exception) -> None:
    structlog.get_logger("policy").error("defect", where=where, exc_info=defect)


def governed(config: Path) -> tuple[Settings, PolicyText]:
    """The configuration at `config` and its policies, parsed. Where there are none, says so and leaves with 2."""
    settings = settings_of(config)
    chosen = settings.gateway.policies
    if settings.policies is None or not isinstance(chosen, PolicySettings):
        raise stopped(f"{config} has no policies: add `policies: {{path: policies/}}`")
    sources = [Source(shown(path, settings), text) for path, text in settings.policies]
    return settings, read_policies(sources, folder=shown(chosen.path, settings))


def shown(path: Path, settings: Settings) -> str:
    """`path` as it is written in messages: relative to the configuration where it is below it."""
    return str(path.relative_to(settings.base_dir) if path.is_relative_to(settings.base_dir) else path)


def remarks_of(world: World, text: PolicyText) -> Sequence[Remark]:
    """All that can be said of `text`, which is free of errors of reading."""
    found = check(text, cedar_schema(world.facts), world.facts, servers=tuple(world.settings.servers))
    return [*text.remarks, *found]


def require_sound(world: World, text: PolicyText) -> None:
    """Leave with 2 where the policies could not be loaded, saying why."""
    wrong = [each for each in remarks_of(world, text) if each.severity == "error"]
    if wrong:
        raise unsound(wrong)


def require_parsed(text: PolicyText) -> None:
    """Leave with 2 where the policies cannot be read, saying why."""
    wrong = [each for each in text.remarks if each.severity == "error"]
    if wrong:
        raise unsound(wrong)


def unsound(remarks: Sequence[Remark]) -> typer.Exit:
    """Print every remark on standard error; what to raise."""
    return stopped("\n".join(printable(str(each)) for each in remarks))


def tell_unread(world: World) -> None:
    """Say on standard error which upstreams could not be asked."""
    for name, why in sorted(world.unread.items()):
        typer.echo(f"notice: the tools of the upstream {name} are not known: {printable(why)}", err=True)


def printable(text: str) -> str:
    """`text` without control characters, which could write over other lines of a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def print_json(facts: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode() + "\n")
