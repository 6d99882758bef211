"""`mcp-gateway policy check`: would these policies be loaded, and do they mean what they seem to?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from mcp_gateway.cli.policy.world import (
    CONFIG,
    JSON,
    governed,
    remarks_of,
    tell_unread,
    world_of,
)
from mcp_gateway.cli.state import NO
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.envelopes.policy.cedar.model import PolicyText, Remark


def check(config: Path = CONFIG, json_: bool = JSON) -> None:
    """Check every policy against the tools that there are. 1 where one is wrong; warnings leave it at 0."""
    settings, text = governed(config)
    remarks: Sequence[Remark] = text.remarks
    unread: Mapping[str, str] = {}
    if not _wrong(remarks):
        world = world_of(settings)
        remarks, unread = remarks_of(world, text), world.unread
        if not json_:
            tell_unread(world)
    if json_:
        print_json(
            {
                "ok": not _wrong(remarks),
                "policies": len(text.policies),
                "digest": text.digest,
                "remarks": [asdict(each) for each in remarks],
                "unread": unread,
            }
        )
    else:
        _print(text, remarks)
    if _wrong(remarks):
        raise typer.Exit(NO)


def _wrong(remarks: Sequence[Remark]) -> int:
    return sum(each.severity == "error" for each in remarks)


def _print(text: PolicyText, remarks: Sequence[Remark]) -> None:
    for each in remarks:
        typer.echo(printable(str(each)))
    errors = _wrong(remarks)
    warnings = len(remarks) - errors
    verdict = (
        f"{count(errors, 'error')}, {count(warnings, 'warning')} in {count(len(text.policies), 'policy', 'policies')}."
    )
    typer.echo(verdict if errors else f"The policies are fine: {verdict}")
