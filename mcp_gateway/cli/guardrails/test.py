"""`mcp-gateway guardrails test`: what would each guardrail do to this text?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from mcp_gateway.cli.guarded import guardrails_of
from mcp_gateway.cli.guardrails.look import Text, findings, place, settings_at, wanted
from mcp_gateway.cli.state import NO, refused, stopped
from mcp_gateway.cli.words import count, print_json, printable
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.scan import redact
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Judgement, Verdict
from mcp_gateway.settings.settings import Settings

_SECRETS: Final = "global/secrets-detection"

_SHOWN: Final = 50
"""Most findings of one guardrail that are printed; with `--json` all are."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one guardrail said. `left` is the text that it left, without secrets that it does not look for."""

    judgement: Judgement
    found: Sequence[Finding]
    left: str | None


def test(
    file: str = typer.Argument(..., metavar="FILE|-", help="The text, in UTF-8; `-` for standard input."),
    guardrail: list[str] = typer.Option([], "--guardrail", metavar="NAME", help="Only this one; repeatable."),
    hook: Hook | None = typer.Option(None, "--hook", help="Only those that a rule brings to this hook."),
    argument: str = typer.Option("text", "--argument", metavar="NAME", help="The argument that the text is."),
    config: Path | None = typer.Option(None, "--config", "-c", help="Default: gateway.yaml, else what is bundled."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Show what each guardrail would do to a text. 1 where one finds something or fails. Policies are not asked."""
    text = _read(file)
    settings = settings_at(config)
    try:
        looked = asyncio.run(_look(settings, guardrail, hook, Text(text, argument)))
    except ConfigurationError as error:
        raise refused(error) from None
    if json_:
        print_json({"guardrails": [_facts(each, text) for each in looked]})
    else:
        for each in looked:
            _print(each, text)
    if any(each.judgement.verdict is not Verdict.PASS for each in looked):
        raise typer.Exit(NO)


async def _look(settings: Settings | None, names: Sequence[str], hook: Hook | None, text: Text) -> list[Looked]:
    async with guardrails_of(settings) as found:
        secrets = found.rulebook.guard(_SECRETS)
        return [await _looked(guard, secrets, text) for guard in wanted(found, names, hook, settings)]


async def _looked(guard: Guard, secrets: Guard, text: Text) -> Looked:
    judgement, content = await guard.judge(text)
    found = findings(guard, text) if judgement.verdict is Verdict.DENY else ()
    left = None
    if judgement.action is Action.MUTATE:
        (carrier,) = content.carriers
        left = redact(carrier.text, findings(secrets, Text(carrier.text, text.name)))
    return Looked(judgement, found, left)


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise stopped(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise stopped(f"{file} is not in UTF-8") from None


def _facts(looked: Looked, text: str) -> dict[str, Any]:
    judgement = looked.judgement
    return {
        "name": judgement.guardrail,
        "verdict": judgement.verdict.value,
        "action": judgement.action.value,
        "findings": dict(judgement.findings),
        "places": [_place(finding, text) for finding in looked.found],
        "failure": judgement.failure,
        "text": looked.left,
    }


def _place(finding: Finding, text: str) -> dict[str, Any]:
    line, column = place(text, finding.start)
    return {"kind": finding.kind, "line": line, "column": column, "length": finding.end - finding.start}


def _print(looked: Looked, text: str) -> None:
    judgement = looked.judgement
    kinds = ", ".join(f"{kind} {number}" for kind, number in judgement.findings.items())
    says = f"{judgement.guardrail}: {judgement.verdict.value}, {judgement.action.value}"
    typer.echo(printable(says + (f" ({kinds or judgement.failure})" if kinds or judgement.failure else "")))
    for finding in looked.found[:_SHOWN]:
        where = _place(finding, text)
        length = count(where["length"], "character")
        typer.echo(printable(f"  {where['line']}:{where['column']} {finding.kind}, {length}"))
    if len(looked.found) > _SHOWN:
        typer.echo(f"  and {len(looked.found) - _SHOWN} more")
    for line in looked.left.splitlines() if looked.left is not None else ():
        typer.echo("  | " + printable(line))
