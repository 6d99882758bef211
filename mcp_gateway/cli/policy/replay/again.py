"""A recorded decision, made again by other policies; where it depends on what was not recorded, that is the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mcp_gateway.calls.subjects import Subjects
from mcp_gateway.cli.policy.replay.inferred import Inference
from mcp_gateway.cli.policy.replay.recorded import Decided, Identity, Word
from mcp_gateway.envelopes.policy.cedar.engine import Bound, Engine
from mcp_gateway.envelopes.policy.cedar.model import COMPLETE, READ_RESOURCE, Path, Question, Subject

Result = Literal["same", "changed", "unknown"]

NOT_THERE: Final = "there is no such tool, prompt or resource in this configuration"
NOBODY: Final = "who asked is not in the record"


@dataclass(frozen=True, slots=True)
class Again:
    """What comes out now. `word` is None where it is not known, `why` says then what would tell."""

    result: Result
    word: Word | None = None
    policies: tuple[str, ...] = ()
    why: str = ""


class DecideAgain:
    """Asks `engine` about recorded questions. `subjects` are those of its virtual servers."""

    def __init__(self, engine: Engine, subjects: Mapping[str, Subjects], inference: Inference) -> None:
        self._engine = engine
        self._inference = inference
        self._subjects = subjects
        self._found = {name: _by_uid(each) for name, each in subjects.items()}

    def __call__(self, decided: Decided, identity: Identity | None) -> Again:
        if identity is None:
            return Again("unknown", why=NOBODY)
        subject = self._subject(decided)
        if subject is None:
            return Again("unknown", why=NOT_THERE)
        before = self._bound(decided, identity, subject, after=False)
        if before.allowed is False or not decided.answered:
            return _compared(decided, before)
        if not self._engine.reads_output(identity.principal, subject):
            return _compared(decided, before)
        after = self._bound(decided, identity, subject, after=True)
        if after.allowed is False:
            return _compared(decided, after)
        return _compared(decided, before if before.allowed is None else after)

    def _bound(self, decided: Decided, identity: Identity, subject: Subject, *, after: bool) -> Bound:
        question = Question(
            identity.principal,
            subject,
            decided.now,
            decided.ip,
            decided.given.below("input"),
            metadata=decided.metadata,
            output=decided.output if after else None,
        )
        known = decided.known(identity.hidden, after=after)
        return self._engine.bounded(question, known, self._inference.told(decided, after=after))

    def _subject(self, decided: Decided) -> Subject | None:
        subjects = self._subjects.get(decided.server)
        if subjects is None:
            return None
        kind, name = decided.resource
        if kind == "Resource" and decided.action == READ_RESOURCE:
            return subjects.resource(decided.upstream, name)
        if kind == "Resource" and decided.action == COMPLETE:
            return subjects.completion(decided.upstream, name, prompt=False)
        return self._found[decided.server].get((decided.action, decided.resource))


def _by_uid(subjects: Subjects) -> Mapping[tuple[str, tuple[str, str]], Subject]:
    found: dict[tuple[str, tuple[str, str]], Subject] = {}
    for each in (*subjects.tools.values(), *subjects.prompts.values()):
        found.setdefault((each.action, (each.resource.type, each.resource.id)), each)
    for upstream, name in subjects.prompts:
        each = subjects.completion(upstream, name, prompt=True)
        found.setdefault((each.action, (each.resource.type, each.resource.id)), each)
    return found


def _compared(decided: Decided, bound: Bound) -> Again:
    if bound.allowed is None:
        return Again("unknown", why="not recorded: " + ", ".join(sorted(map(_shown, bound.unknown))))
    word: Word = "allow" if bound.allowed else "deny"
    return Again("same" if word == decided.word else "changed", word, bound.policies)


def _shown(path: Path) -> str:
    return f'the claim "{path[1]}"' if path[0] == "principal" and path[1] else ".".join(("context", *path))
