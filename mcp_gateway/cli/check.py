"""`mcp-gateway check`: is this configuration right? Reads every file, starts nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mcp_gateway.cli.guarded import guardrails_of
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.govern import Policies, policies_of
from mcp_gateway.settings.load import load
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.upstreams import HttpUpstream, StdioUpstream

WRONG = 2
"""Exit code for a configuration that cannot be used."""


def check(
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Check gateway.yaml and the virtual servers, and say what they amount to."""
    try:
        settings = load(config, os.environ)
        policies = policies_of(settings)
        asyncio.run(_try_guardrails(settings))
    except ConfigurationError as error:
        if json_:
            print_json(_failure(error))
        else:
            print_problems(error, Console(stderr=True, highlight=False, soft_wrap=True))
        raise typer.Exit(WRONG) from None
    if json_:
        print_json(_facts(settings) | {"policies": None if policies is None else len(policies.text.policies)})
    else:
        _print_summary(settings, policies, Console(highlight=False, soft_wrap=True))


async def _try_guardrails(settings: Settings) -> None:
    """Build every guardrail once. Raises `ConfigurationError`."""
    async with guardrails_of(settings):
        pass


def print_problems(error: ConfigurationError, console: Console) -> None:
    """Every problem on a line of its own, in the form that editors can jump to, coloured on a terminal only."""
    for problem in error.problems:
        where = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
        line = Text.assemble((where, "bold"), ": ", (printable(problem.message), "red"))
        if problem.hint:
            line.append(f" ({printable(problem.hint)})", "yellow")
        console.print(line)
    console.print(Text(count(len(error.problems), "problem"), "bold red"))


def _print_summary(settings: Settings, policies: Policies | None, console: Console) -> None:
    for notice in settings.notices:
        console.print(Text.assemble(("notice: ", "yellow"), printable(notice)))
    upstreams = Table("Upstream", "Kind", "Target", "Protocol", box=None, pad_edge=False)
    for name, upstream in settings.upstreams.items():
        state = "" if upstream.enabled else " (disabled)"
        upstreams.add_row(name + state, _kind(upstream), Text(printable(_target(upstream))), upstream.protocol)
    servers = Table("Virtual server", "Address", "Sources", box=None, pad_edge=False)
    for name, server in settings.servers.items():
        sources = ", ".join(source.upstream for source in server.sources)
        servers.add_row(name, Text(f"{settings.server.base_url}/servers/{name}/mcp"), sources)
    for remark in policies.text.remarks if policies is not None else ():
        console.print(Text.assemble(("notice: ", "yellow"), printable(str(remark))))
    for table in (upstreams, servers):
        if table.row_count:
            console.print(table)
    if policies is not None:
        console.print(f"{count(len(policies.text.policies), 'policy', 'policies')} can be read.", end=" ")
        console.print("`mcp-gateway policy check` holds them against the real tools.")
    console.print(
        Text(f"The configuration is fine: {count(len(settings.servers), 'virtual server')}, ", "green")
        + Text(f"{count(len(settings.upstreams), 'upstream')}.", "green")
    )


def _kind(upstream: StdioUpstream | HttpUpstream) -> str:
    return "stdio" if isinstance(upstream, StdioUpstream) else upstream.transport


def _target(upstream: StdioUpstream | HttpUpstream) -> str:
    return " ".join(upstream.command) if isinstance(upstream, StdioUpstream) else upstream.url


def _failure(error: ConfigurationError) -> dict[str, Any]:
    problems = [
        {"file": each.file, "line": each.line, "column": each.column, "message": each.message, "hint": each.hint}
        for each in error.problems
    ]
    return {"ok": False, "problems": problems}


def _facts(settings: Settings) -> dict[str, Any]:
    return {
        "ok": True,
        "problems": [],
        "notices": list(settings.notices),
        "digest": settings.digest,
        "files": [str(file) for file in settings.files],
        "upstreams": {
            name: {"kind": _kind(each), "target": _target(each), "protocol": each.protocol, "enabled": each.enabled}
            for name, each in settings.upstreams.items()
        },
        "servers": {
            name: {
                "url": f"{settings.server.base_url}/servers/{name}/mcp",
                "sources": [source.upstream for source in server.sources],
            }
            for name, server in settings.servers.items()
        },
    }
