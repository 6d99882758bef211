"""`mcp-gateway guardrails test`: what would each guardrail do to this text?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from mcp_gateway.cli.guarded import guardrails_of
from mcp_gateway.cli.guardrails.look import Text, settings_at, wanted
from mcp_gateway.cli.state import NO, refused, stopped
from mcp_gateway.cli.words import print_json, printable
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.safety.content import Content
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Judgement, Verdict
from mcp_gateway.settings.settings import Settings

Looked = tuple[Judgement, Content]


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
        print_json({"guardrails": [_facts(each) for each in looked]})
    else:
        for each in looked:
            _print(each)
    if any(judgement.verdict is not Verdict.PASS for judgement, _ in looked):
        raise typer.Exit(NO)


async def _look(settings: Settings | None, names: Sequence[str], hook: Hook | None, text: Text) -> list[Looked]:
    async with guardrails_of(settings) as found:
        return [await guard.judge(text) for guard in wanted(found, names, hook, settings)]


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise stopped(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise stopped(f"{file} is not in UTF-8") from None


def _left(looked: Looked) -> str | None:
    judgement, content = looked
    return next((each.text for each in content.carriers), None) if judgement.action is Action.MUTATE else None


def _facts(looked: Looked) -> dict[str, Any]:
    judgement, _ = looked
    return {
        "name": judgement.guardrail,
        "verdict": judgement.verdict.value,
        "action": judgement.action.value,
        "findings": dict(judgement.findings),
        "failure": judgement.failure,
        "text": _left(looked),
    }


def _print(looked: Looked) -> None:
    judgement, _ = looked
    kinds = ", ".join(f"{kind} {number}" for kind, number in judgement.findings.items())
    says = f"{judgement.guardrail}: {judgement.verdict.value}, {judgement.action.value}"
    typer.echo(printable(says + (f" ({kinds or judgement.failure})" if kinds or judgement.failure else "")))
    left = _left(looked)
    for line in left.splitlines() if left is not None else ():
        typer.echo("  " + printable(line))
