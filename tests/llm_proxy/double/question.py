"""What a request asks the double for, and what it answers: in no dialect, the same for all families.

A word (what stands between white space) is a token, in prompts and in answers. The answer repeats what the user said
last; these words in it make another:

* `count to N`: the numbers from 1 to N, one token each
* `call NAME` or `call NAME {…}`: a call of that tool with these arguments, if the request offers it
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Finish = Literal["stop", "length", "tool_use"]

_COUNT = re.compile(r"\bcount to (\d{1,6})\b")
_CALL = re.compile(r"\bcall ([\w-]+)\s*(\{.*\})?", re.DOTALL)
_PIECE = re.compile(r"\s*\S+\s*")


class BadRequest(Exception):
    """The double does not take the request; the text says why."""


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens and answers. `input` and `output` are totals; the others say how many of them were what."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    answers: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(self.fields, other.fields, strict=True)))

    @property
    def fields(self) -> tuple[int, ...]:
        return (self.input, self.output, self.cache_read, self.cache_write, self.reasoning, self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`result` is what a tool returned, if that is the last thing said. `choice` is a tool that must be called.

    `documents` are the texts to embed; None if the request is for a completion.
    """

    model: str
    prompt: str
    last: str = ""
    tools: tuple[str, ...] = ()
    choice: str = ""
    result: str | None = None
    limit: int | None = None
    choices: int = 1
    stream: bool = False
    tells_usage: bool = True
    documents: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Says:
    """An answer that a test wants instead of the usual one. Empty and None stand for the usual."""

    text: str | None = None
    thinking: str = ""
    calls: tuple[tuple[str, Json], ...] = ()
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, its arguments in pieces of one token each."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. `count` is what it uses, `told` what it says that it used: None for nothing."""

    id: str
    question: Question
    thinking: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[Call, ...]
    finish: Finish
    count: Count
    told: Count | None

    @property
    def model(self) -> str:
        return self.question.model

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def tokens(text: str) -> int:
    """How many tokens a text is."""
    return len(text.split())


def plan(question: Question, number: int, says: Says | None = None) -> Plan:
    """The answer to the double's request number `number`."""
    says = says or Says()
    wanted = says.calls or _called(question)
    if says.text is not None:
        said = says.text
    elif question.result is not None:
        said = f"The tool returned: {question.result}"
    else:
        said = "" if wanted else _reply(question.last)
    pieces, thinking = tuple(_PIECE.findall(said)), tuple(_PIECE.findall(says.thinking))
    calls = tuple(
        Call(f"call_{number}_{place}", name, _cut(json.dumps(given))) for place, (name, given) in enumerate(wanted)
    )
    finish: Finish = "tool_use" if calls else "stop"
    if question.limit is not None and question.limit < len(thinking) + len(pieces):
        finish, calls = "length", ()
        thinking = thinking[: question.limit]
        pieces = pieces[: question.limit - len(thinking)]
    one = len(thinking) + len(pieces) + sum(len(call.pieces) for call in calls)
    read = tokens(question.prompt) + says.cache_read + says.cache_write
    count = Count(read, one * question.choices, says.cache_read, says.cache_write, len(thinking) * question.choices, 1)
    return Plan(f"double-{number}", question, thinking, pieces, calls, finish, count, count)


def _reply(last: str) -> str:
    counting = _COUNT.search(last)
    return " ".join(str(one) for one in range(1, int(counting[1]) + 1)) if counting else f"You said: {last}"


def _called(question: Question) -> tuple[tuple[str, Json], ...]:
    if question.result is not None:
        return ()
    found = _CALL.search(question.last)
    name = question.choice or (found[1] if found else "")
    if name not in question.tools:
        return ()
    return ((name, json.loads(found[2]) if found and found[1] == name and found[2] else {}),)


def _cut(text: str) -> tuple[str, ...]:
    return tuple(text[start : start + 8] for start in range(0, len(text), 8))


def words(texts: Iterable[str]) -> str:
    """Several texts as one prompt."""
    return "\n".join(text for text in texts if text)
