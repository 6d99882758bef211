"""An answer in no dialect, whole or as the events of a stream. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from llm_proxy.completion.request import Part
from llm_proxy.spend.usage import Usage

Finish = Literal["stop", "length", "tool_use", "filtered"]
"""Why an answer ended: by itself or at a stop sequence, at its limit of tokens, to have tools called, by a filter."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers. `parts` are `Text`, `Reasoning`, `ToolUse`, in the order in which the model made them.

    `stop` is the stop sequence that ended it, empty if none did or the provider does not tell.
    """

    parts: tuple[Part, ...]
    finish: Finish
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `id` and `model` are the provider's; `created` is in seconds since 1970, 0 if it did not say.

    `usage` is None if the provider did not tell.
    """

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: int = 0


class Started(NamedTuple):
    """The first event of a stream."""

    id: str
    model: str
    created: int = 0


class TextPiece(NamedTuple):
    """More text of the choice `choice`."""

    choice: int
    text: str


class ReasoningPiece(NamedTuple):
    """More of what the model thinks; the signature comes at its end, with an empty text or with the last of it."""

    choice: int
    text: str
    signature: str = ""
    redacted: str = ""


class ToolStarted(NamedTuple):
    """The choice `choice` begins its tool call number `call`, from 0."""

    choice: int
    call: int
    id: str
    name: str


class ToolPiece(NamedTuple):
    """More of the arguments (JSON text) of the tool call number `call`."""

    choice: int
    call: int
    arguments: str


class Finished(NamedTuple):
    """The choice `choice` is complete."""

    choice: int
    finish: Finish
    stop: str = ""


class Used(NamedTuple):
    """What has been used so far. Providers may tell several times: the last one counts."""

    usage: Usage


Event = Started | TextPiece | ReasoningPiece | ToolStarted | ToolPiece | Finished | Used
"""What a stream consists of: `Started` first, all of a choice before its `Finished`, `Used` anywhere after."""
