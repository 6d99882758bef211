"""What the commands about policies work on: a configuration, its policies and what its upstreams offer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import typer

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.cli.logs import configure
from mcp_gateway.cli.state import refused, settings_of, stopped
from mcp_gateway.cli.words import printable
from mcp_gateway.compose import catalogs
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.envelopes.policy.cedar.check import check
from mcp_gateway.envelopes.policy.cedar.model import Facts, PolicyText, Remark
from mcp_gateway.govern import policy_text
from mcp_gateway.identify import Identity
from mcp_gateway.pinning import Pinning
from mcp_gateway.policies import facts_of
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


def inventories_of(settings: Settings) -> Mapping[str, Inventory]:
    """What every upstream of `settings` offers, asked now. Where that cannot even begin, says why and leaves with 2."""
    configure("error")
    try:
        return asyncio.run(_asked(settings))
    except ConfigurationError as error:
        raise refused(error) from None
    except IdentityUnavailable as error:
        raise stopped(error.message) from None


def world_of(settings: Settings) -> World:
    """Ask the upstreams of `settings`. Leaves as `inventories_of` does."""
    inventories = inventories_of(settings)
    held = Pinning().hold(settings, inventories)
    unread = {
        name: each.error or "not read yet"
        for name, each in inventories.items()
        if not each.available and not held[name].known.tools
    }
    return World(settings, facts_of(settings, held), catalogs(settings, held), unread)


async def _asked(settings: Settings) -> Mapping[str, Inventory]:
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
    text = policy_text(settings)
    if text is None:
        raise stopped(f"{config} has no policies: add `policies: {{path: policies/}}`")
    return settings, text


def remarks_of(world: World, text: PolicyText) -> Sequence[Remark]:
    """All that can be said of `text`, which is free of errors of reading."""
    found = check(text, world.facts, tuple(world.settings.servers))
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
