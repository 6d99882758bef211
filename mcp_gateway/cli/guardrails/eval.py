"""`mcp-gateway guardrails eval`: how often is a guardrail right about labelled texts?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.progress import track

from mcp_gateway.cli.guarded import guardrails_of
from mcp_gateway.cli.guardrails.look import Text, settings_at, wanted
from mcp_gateway.cli.state import NO, refused, stopped
from mcp_gateway.cli.words import count, print_json
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.safety.verdict import Verdict
from mcp_gateway.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text, and whether there is something to be found in it."""

    line: int
    text: str
    label: bool


@dataclass(frozen=True, slots=True)
class Score:
    """Lines of the file by what was said of them. Those on which the guardrail failed are in no other list."""

    true_positives: Sequence[int]
    false_positives: Sequence[int]
    false_negatives: Sequence[int]
    true_negatives: Sequence[int]
    failed: Sequence[int]

    @property
    def answered(self) -> bool:
        """Whether it said anything of any text: without that there are no figures."""
        return any((self.true_positives, self.false_positives, self.false_negatives, self.true_negatives))

    @property
    def precision(self) -> float:
        """Of what was accused the part that was guilty; 1 where nothing was accused."""
        return _part(len(self.true_positives), len(self.true_positives) + len(self.false_positives))

    @property
    def recall(self) -> float:
        """Of what was guilty the part that was accused; 1 where nothing was guilty."""
        return _part(len(self.true_positives), len(self.true_positives) + len(self.false_negatives))

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def eval_(
    file: Path = typer.Argument(..., metavar="FILE", help='JSON lines: {"text": …, "label": true | false}.'),
    guardrail: str = typer.Option(
        ..., "--guardrail", metavar="NAME", help="The guardrail, such as global/pii-redaction."
    ),
    argument: str = typer.Option("text", "--argument", metavar="NAME", help="The argument that the texts are."),
    show: bool = typer.Option(False, "--show", help="Also the lines that it is wrong about, by number."),
    min_precision: float = typer.Option(0.0, "--min-precision", min=0, max=1, help="1 where it is less precise."),
    min_recall: float = typer.Option(0.0, "--min-recall", min=0, max=1, help="1 where it finds less."),
    config: Path | None = typer.Option(None, "--config", "-c", help="Default: gateway.yaml, else what is bundled."),
    json_: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Print precision and recall of a guardrail over labelled texts. 1 where they are too low, or it fails."""
    settings = settings_at(config)
    texts = list(_read(file))
    if not texts:
        raise stopped(f"{file}: there is no text in it")
    try:
        score = asyncio.run(_score(settings, guardrail, argument, texts))
    except ConfigurationError as error:
        raise refused(error) from None
    if json_:
        print_json(_facts(score))
    else:
        _print(score, show=show)
    if score.failed or score.precision < min_precision or score.recall < min_recall:
        raise typer.Exit(NO)


async def _score(settings: Settings | None, name: str, argument: str, texts: Sequence[Labelled]) -> Score:
    said: dict[tuple[bool, bool] | None, list[int]] = {}
    console = Console(stderr=True)
    async with guardrails_of(settings) as found:
        (guard,) = wanted(found, [name], None, settings)
        for each in track(texts, "", console=console, transient=True, disable=not console.is_terminal):
            judgement, _ = await guard.judge(Text(each.text, argument))
            failed = judgement.verdict in (Verdict.ERROR, Verdict.TIMEOUT)
            said.setdefault(None if failed else (judgement.verdict is Verdict.DENY, each.label), []).append(each.line)
    kinds = ((True, True), (True, False), (False, True), (False, False), None)
    return Score(*(said.get(kind, []) for kind in kinds))


def _read(file: Path) -> Iterator[Labelled]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise stopped(f"cannot read {file}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _labelled(file, number, line)


def _labelled(file: Path, number: int, line: bytes) -> Labelled:
    try:
        told: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise stopped(f"{file}:{number}: not JSON") from None
    fields = told if isinstance(told, dict) else {}
    text = fields.get("text", fields.get("prompt"))
    if not isinstance(text, str):
        raise stopped(f"{file}:{number}: no `text`")
    if "label" not in fields and "kinds" in fields:
        label = fields["kinds"]
        if not isinstance(label, list) or not all(isinstance(kind, str) for kind in label):
            raise stopped(f"{file}:{number}: `kinds` must be a list of names, empty where there is nothing in the text")
    else:
        label = fields.get("label")
        if label not in (True, False):  # 0 and 1 equal them
            raise stopped(f"{file}:{number}: `label` must be true, false, 0 or 1; or `kinds` a list")
    return Labelled(number, text, bool(label))


def _part(some: int, whole: int) -> float:
    return some / whole if whole else 1.0


def _facts(score: Score) -> dict[str, Any]:
    return {
        "precision": round(score.precision, 4) if score.answered else None,
        "recall": round(score.recall, 4) if score.answered else None,
        "f1": round(score.f1, 4) if score.answered else None,
        "true_positives": len(score.true_positives),
        "true_negatives": len(score.true_negatives),
        "false_positives": list(score.false_positives),
        "false_negatives": list(score.false_negatives),
        "failed": list(score.failed),
    }


def _print(score: Score, *, show: bool) -> None:
    if score.answered:
        typer.echo(f"precision {score.precision:.3f}, recall {score.recall:.3f}, F1 {score.f1:.3f}")
        right, wrong = len(score.true_positives), len(score.false_negatives)
        typer.echo(f"{right} of {count(right + wrong, 'text')} with something in it found")
        clean, accused = len(score.true_negatives), len(score.false_positives)
        typer.echo(f"{accused} of {count(clean + accused, 'text')} with nothing in it accused")
    if score.failed:
        typer.echo(f"no answer to {count(len(score.failed), 'text')}")
    for word, lines in (
        ("accused", score.false_positives),
        ("missed", score.false_negatives),
        ("failed", score.failed),
    ):
        for line in lines if show else ():
            typer.echo(f"line {line}: {word}")
