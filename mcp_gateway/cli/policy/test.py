"""`mcp-gateway policy test`: do the policies say what is expected, and which of them does no case exercise?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mcp_gateway.cli.policy.cases import Placed, read_cases
from mcp_gateway.cli.policy.decide import Answer, Ask, Decider, Unanswerable, principal_of
from mcp_gateway.cli.policy.world import (
    CONFIG,
    JSON,
    governed,
    require_parsed,
    require_sound,
    tell_unread,
    world_of,
)
from mcp_gateway.cli.state import NO, refused
from mcp_gateway.cli.words import print_json, printable
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.policy.cedar.model import PolicyText
from mcp_gateway.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: `why` it failed, None where it did not, and the policies that had a say."""

    placed: Placed
    why: str | None
    exercised: tuple[str, ...] = ()


def test(
    path: Path = typer.Argument(..., metavar="PATH", help="A file of cases, or a folder of such files."),
    require_coverage: bool = typer.Option(False, "--require-coverage", help="1 also where a policy is not exercised."),
    config: Path = CONFIG,
    json_: bool = JSON,
) -> None:
    """Put every case to the policies. 1 where an answer is not the expected one."""
    settings, text = governed(config)
    require_parsed(text)
    try:
        cases = read_cases(path)
    except ConfigurationError as error:
        raise refused(error) from None
    world = world_of(settings)
    tell_unread(world)
    require_sound(world, text)
    decider = Decider(world, text)
    outcomes = [_run(placed, decider, settings) for placed in cases]
    missed = _missed(text, outcomes)
    if json_:
        print_json(_facts(outcomes, missed))
    else:
        _print(outcomes, missed, len(text.policies))
    if any(each.why is not None for each in outcomes) or (require_coverage and missed):
        raise typer.Exit(NO)


def _run(placed: Placed, decider: Decider, settings: Settings) -> Outcome:
    case = placed.case
    who = case.principal
    try:
        principal = principal_of(
            who.id,
            settings,
            teams=who.teams,
            scopes=who.scopes,
            email=who.email,
            claims=dict(who.claims),
            client_id=who.client_id,
        )
        answer = decider.decide(
            Ask(
                principal,
                case.server,
                case.tool,
                arguments=dict(case.arguments),
                metadata=case.metadata,
                output=None if case.output is None else dict(case.output),
                is_error=case.is_error,
                now=case.now,
                ip=case.ip,
            )
        )
    except Unanswerable as error:
        return Outcome(placed, str(error))
    return Outcome(placed, _wrong(placed, answer), _exercised(answer))


def _wrong(placed: Placed, answer: Answer) -> str | None:
    verdict = answer.verdict
    got = "allow" if verdict.allowed else "deny"
    by = ", ".join(verdict.policies) or verdict.failure or "no policy permits it"
    if got != placed.case.expect:
        return f"expected {placed.case.expect}, got {got} ({by})"
    lacking = [each for each in placed.case.by or () if each not in verdict.policies]
    return f"expected it by {', '.join(lacking)}, but it is by: {by}" if lacking else None


def _exercised(answer: Answer) -> tuple[str, ...]:
    verdicts = (answer.before, answer.after) if answer.after is not None else (answer.before,)
    return tuple(policy for each in verdicts for policy in (*each.policies, *each.would_policies))


def _missed(text: PolicyText, outcomes: Sequence[Outcome]) -> list[str]:
    had = {policy for each in outcomes for policy in each.exercised}
    return [policy.id for policy in text.policies if policy.id not in had]


def _facts(outcomes: Sequence[Outcome], missed: Sequence[str]) -> dict[str, Any]:
    return {
        "ok": all(each.why is None for each in outcomes),
        "cases": [
            {
                "name": each.placed.title,
                "file": each.placed.file,
                "line": each.placed.line,
                "ok": each.why is None,
                "why": each.why,
                "policies": sorted(set(each.exercised)),
            }
            for each in outcomes
        ],
        "not_exercised": list(missed),
    }


def _print(outcomes: Sequence[Outcome], missed: Sequence[str], policies: int) -> None:
    failed = [each for each in outcomes if each.why is not None]
    for each in failed:
        at = each.placed
        typer.echo(printable(f"{at.file}:{at.line}:{at.column}: {at.title}: {each.why}"))
    typer.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} cases as expected.")
    typer.echo(f"{policies - len(missed)} of {policies} policies exercised.")
    if missed:
        typer.echo("No case is decided by: " + ", ".join(missed))
