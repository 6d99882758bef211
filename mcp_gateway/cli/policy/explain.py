"""`mcp-gateway policy explain`: what would be decided of one call, and by which policies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import typer
from cedarpy import policies_to_pst

from mcp_gateway.cli.policy.decide import Answer, Ask, Decider, Unanswerable, claims_of, metadata_of, principal_of
from mcp_gateway.cli.policy.world import (
    CONFIG,
    JSON,
    governed,
    require_parsed,
    require_sound,
    tell_unread,
    world_of,
)
from mcp_gateway.cli.state import NO, stopped
from mcp_gateway.cli.words import print_json, printable
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.model import Policy, PolicyText, groups_of
from mcp_gateway.envelopes.policy.cedar.reads import actions
from mcp_gateway.envelopes.safety.metadata.contract import Contract
from mcp_gateway.settings.settings import Settings


def explain(
    who: str = typer.Option(..., "--as", metavar="PRINCIPAL", help="'corp|alice', 'virtual_account:ci', 'anonymous'."),
    server: str = typer.Option(..., "--server", help="The virtual server."),
    tool: str = typer.Option(..., "--tool", help="The tool, by the name that agents see."),
    args: str = typer.Option("{}", "--args", metavar="JSON", help="The arguments, as the agent gives them."),
    output: str | None = typer.Option(None, "--output", metavar="JSON", help="Structured content that comes back."),
    team: list[str] = typer.Option([], "--team", help="A team of the principal; repeatable."),
    scope: list[str] = typer.Option([], "--scope", help="A scope of the token; repeatable."),
    claim: list[str] = typer.Option([], "--claim", metavar="NAME=VALUE", help="A claim of the token; repeatable."),
    metadata: list[str] = typer.Option([], "--metadata", metavar="KEY=VALUE", help="What is said of it; repeatable."),
    config: Path = CONFIG,
    json_: bool = JSON,
) -> None:
    """Say what the policies decide of one call. 1 where they deny it."""
    settings, text = governed(config)
    require_parsed(text)
    arguments, returned = _object("--args", args), None if output is None else _object("--output", output)
    try:
        principal = _principal(who, settings, team, scope, claim)
        said = metadata_of(metadata, Contract.of(settings.gateway.metadata), principal)
    except Unanswerable as error:
        raise stopped(str(error)) from None
    world = world_of(settings)
    tell_unread(world)
    require_sound(world, text)
    try:
        ask = Ask(principal, server, tool, arguments=arguments, metadata=said, output=returned)
        answer = Decider(world, text).decide(ask)
    except Unanswerable as error:
        raise stopped(str(error)) from None
    facts = _facts(answer, text)
    if json_:
        print_json(facts)
    else:
        _print(facts)
    if not answer.verdict.allowed:
        raise typer.Exit(NO)


def _principal(
    who: str, settings: Settings, teams: Sequence[str], scopes: Sequence[str], claims: Sequence[str]
) -> Principal:
    return principal_of(who, settings, teams=tuple(teams), scopes=tuple(scopes), claims=claims_of(claims))


def _object(option: str, text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise stopped(f"{option} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise stopped(f"{option} is no JSON object")
    return value


def _facts(answer: Answer, text: PolicyText) -> dict[str, Any]:
    verdict = answer.verdict
    by = [policy for policy in text.policies if policy.id in verdict.policies]
    return {
        "decision": "allow" if verdict.allowed else "deny",
        "stage": "before" if answer.after is None else "after",
        "action": answer.subject.action,
        "resource": answer.subject.resource.id,
        "policies": [_shown(each) for each in by],
        "failure": verdict.failure,
        "could_permit": [] if verdict.allowed or by else [_shown(each) for each in _permits(answer, text)],
        "would": None if verdict.would is None else "allow" if verdict.would else "deny",
        "would_policies": list(verdict.would_policies),
    }


def _permits(answer: Answer, text: PolicyText) -> list[Policy]:
    """The permits for this action, of which none held."""
    subject = answer.subject
    names = {subject.action, *groups_of(subject.upstream)}
    templates = policies_to_pst(text.text).static_policies
    return [
        policy
        for policy in text.policies
        if policy.effect == "permit"
        and not policy.audit
        and ((scope := actions(templates[policy.key])) is None or scope & names)
    ]


def _shown(policy: Policy) -> dict[str, Any]:
    return {
        "id": policy.id,
        "effect": policy.effect,
        "file": policy.file,
        "line": policy.line,
        "column": policy.column,
        "description": policy.description,
    }


def _print(facts: dict[str, Any]) -> None:
    when = "" if facts["stage"] == "before" else " once the result was seen"
    typer.echo(printable(f'{facts["decision"]}{when}: Action::"{facts["action"]}" on {facts["resource"]}'))
    for each in facts["policies"]:
        typer.echo(printable("  by " + _line(each)))
    if facts["failure"]:
        typer.echo(printable(f"  because {facts['failure']}"))
    elif not facts["policies"]:
        typer.echo("  because no policy permits it")
    for each in facts["could_permit"]:
        typer.echo(printable("  does not hold: " + _line(each)))
    if facts["would"] is not None:
        who = ", ".join(facts["would_policies"]) or "no policy"
        typer.echo(printable(f"  with the policies in audit mode: {facts['would']} ({who})"))


def _line(policy: dict[str, Any]) -> str:
    what = f": {policy['description']}" if policy["description"] else ""
    return f"{policy['effect']} `{policy['id']}` at {policy['file']}:{policy['line']}:{policy['column']}{what}"
