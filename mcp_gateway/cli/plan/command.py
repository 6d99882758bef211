"""`mcp-gateway plan`: before a configuration is applied, who gains, loses or sees changed what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from mcp_gateway.cli.control import CONTROL, Unreadable, control_of
from mcp_gateway.cli.plan.report import Report, facts, line, unseen
from mcp_gateway.cli.plan.show import show
from mcp_gateway.cli.plan.states import Proposed, Running, State, at
from mcp_gateway.cli.plan.who import Who, accounts_of, everybody
from mcp_gateway.cli.policy.decide import Unanswerable, claims_of, principal_of
from mcp_gateway.cli.policy.world import CONFIG, JSON, tell_unread
from mcp_gateway.cli.state import NO, refused, settings_of, stopped
from mcp_gateway.cli.words import print_json
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.methods.access import ServerAccess
from mcp_gateway.settings.settings import Settings


def plan(
    who: str | None = typer.Option(
        None,
        "--as",
        metavar="PRINCIPAL",
        help="Only this one: 'corp|alice', 'virtual_account:ci', 'team:x', 'anybody'.",
    ),
    team: list[str] = typer.Option([], "--team", help="With --as: a team of the principal; repeatable."),
    scope: list[str] = typer.Option([], "--scope", help="With --as: a scope of the token; repeatable."),
    claim: list[str] = typer.Option([], "--claim", metavar="NAME=VALUE", help="With --as: a claim; repeatable."),
    email: str | None = typer.Option(None, "--email", help="With --as: the principal's address."),
    against: Path | None = typer.Option(
        None, "--against", metavar="PATH", help="Compare with this configuration, not with the gateway that runs."
    ),
    control: str | None = CONTROL,
    fail_on_change: bool = typer.Option(False, "--fail-on-change", help="1 where anything changes for anybody."),
    config: Path = CONFIG,
    json_: bool = JSON,
) -> None:
    """Say what each identity would see with this configuration, and what of it changes."""
    settings = settings_of(config)
    if who is None and (team or scope or claim or email):
        raise stopped("--team, --scope, --claim and --email belong to --as")
    one = None if who is None else _one(who, settings, team, scope, claim, email)
    proposed = Proposed(settings, str(config))
    tell_unread(proposed.world)
    try:
        report = _report(proposed, _before(settings, against, control), one)
    except Unreadable as error:
        raise stopped(str(error)) from None
    except ConfigurationError as error:
        raise refused(error) from None
    except IdentityUnavailable as error:
        raise stopped(error.message) from None
    if json_:
        print_json(facts(report))
    else:
        show(report, all_items=one is not None)
    if report.against is None and fail_on_change:
        raise stopped("no gateway runs that could be compared with: start one, or name a configuration with --against")
    if report.changed and fail_on_change:
        raise typer.Exit(NO)


def _one(
    who: str,
    settings: Settings,
    teams: Sequence[str],
    scopes: Sequence[str],
    claims: Sequence[str],
    email: str | None,
) -> Who:
    try:
        told = claims_of(claims)
        principal_of(who, settings)
    except Unanswerable as error:
        raise stopped(str(error)) from None
    return Who(who, tuple(teams), tuple(scopes), email, told)


def _before(settings: Settings, against: Path | None, control: str | None) -> State | None:
    """What to compare with; None where nothing runs. Raises `Unreadable`."""
    if against is not None:
        return Proposed(settings_of(at(against)), str(against))
    where = control or control_of(settings)
    found = None if where is None else Running.found(where)
    if found is None and control is not None:
        raise Unreadable(f"nothing listens at {control}")
    return found


def _report(proposed: Proposed, before: State | None, one: Who | None) -> Report:
    if one is not None:
        asked: Sequence[Who] = [one]
    else:
        mentioned = {*proposed.mentioned, *(before.mentioned if before is not None else ())}
        asked = everybody(proposed.settings, mentioned, accounts_of(proposed.settings))
    lines = [line(each.name, _seen(before, each), _seen(proposed, each) or {}) for each in asked]
    catalogs = proposed.world.catalogs
    nobody = unseen(catalogs, lines) if one is None else {}
    return Report(None if before is None else before.label, tuple(lines), nobody, proposed.world.unread)


def _seen(state: State | None, who: Who) -> Mapping[str, ServerAccess] | None:
    if state is None:
        return None
    access = state.access(who)
    return {} if access is None else access.servers
