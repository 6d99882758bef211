"""A request for a completion, in no dialect: what is left when it has to go to a provider of another family. Pure.

Where client and provider speak one dialect, the body goes on as it came and none of this is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]

Role = Literal["system", "user", "assistant"]
Effort = Literal["none", "minimal", "low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """An image, a document or a sound: either `data` (base64) of `media_type`, or the `url` under which it is found.

    `name` is its file name, empty if nobody said one.
    """

    media_type: str
    data: str = ""
    url: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool by the model. `arguments` is JSON text as the model wrote it, which may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of the tool call `id`. `name` is the tool's, empty where the dialect does not repeat it."""

    id: str
    parts: tuple[Text | Media, ...]
    name: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought. `signature` is the provider's proof of it, without which it may not be sent back there.

    `redacted` is thinking that the provider sends encrypted only.
    """

    text: str
    signature: str = ""
    redacted: str = ""


Part = Text | Media | ToolUse | ToolResult | Reasoning


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Results of tools are parts of a turn of the user, whatever the dialect makes of them."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client offers. `parameters` is its JSON Schema."""

    name: str
    description: str = ""
    parameters: Json | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class OneTool:
    """The model must call the tool of this name."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | OneTool


@dataclass(frozen=True, slots=True)
class Format:
    """The answer must be JSON: any object, or what fits `schema`."""

    schema: Json | None = None
    name: str = "answer"
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One request. None and empty stand for what the client left to the provider.

    `model` is the name the client asked for. `choices` is how many answers (`n`). `stream_usage` says whether a client
    that streams wants to be told the usage (`stream_options.include_usage`; always so in dialects without that option).
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    choices: int = 1
    format: Format | None = None
    effort: Effort | None = None
    user: str | None = None
    stream: bool = False
    stream_usage: bool = True
