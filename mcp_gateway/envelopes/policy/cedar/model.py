"""What the policies speak about, as values: what can be asked for, who serves it, and one question.

Types, actions and attributes are those of the user documentation (`docs/policies.md`); entity ids are always given
to the engine in their structured form, never as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from mcp_gateway.core.principal import Principal

Json = Mapping[str, Any]

USER: Final = "User"
ACCOUNT: Final = "VirtualAccount"
TEAM: Final = "Team"
UPSTREAM: Final = "Upstream"
SERVER: Final = "VirtualServer"
ACTION: Final = "Action"

Type = Literal["Tool", "Prompt", "Resource", "Model"]
"""The types of what is acted upon."""

CALL_TOOL: Final = "call_tool"
GET_PROMPT: Final = "get_prompt"
READ_RESOURCE: Final = "read_resource"
COMPLETE: Final = "complete"
USE_MODEL: Final = "use_model"
EMBED: Final = "embed"


def groups_of(upstream: str) -> tuple[str, str]:
    """The groups that the action of each tool of `upstream` is in, the nearer first."""
    return f"{upstream}/*", CALL_TOOL


class Uid(NamedTuple):
    """An entity's type and id."""

    type: str
    id: str

    def json(self) -> dict[str, str]:
        """The structured form, which holds any id."""
        return {"type": self.type, "id": self.id}


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """One tool of an upstream: its own name, the definition's schemas and what the admin and the upstream say of it.

    `input_schema` and `output_schema` are JSON Schemas as parsed; without the latter results have no typed `output`.
    """

    upstream: str
    name: str
    input_schema: Json
    output_schema: Json | None = None
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True
    tags: tuple[str, ...] = ()

    @property
    def uid(self) -> Uid:
        return Uid("Tool", f"{self.upstream}/{self.name}")

    @property
    def action(self) -> str:
        """The id of the action that calls it; in `<upstream>/*`, in `call_tool`."""
        return f"{self.upstream}/{self.name}"


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """One prompt of an upstream. `arguments`: names, and whether each is required; values are strings."""

    upstream: str
    name: str
    arguments: tuple[tuple[str, bool], ...] = ()

    @property
    def uid(self) -> Uid:
        return Uid("Prompt", f"{self.upstream}/{self.name}")


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the schema is made of. `upstreams` are all configured ones, `metadata` the keys of the contract."""

    upstreams: tuple[str, ...] = ()
    tools: tuple[ToolFacts, ...] = ()
    prompts: tuple[PromptFacts, ...] = ()
    metadata: tuple[str, ...] = ()


class Output(NamedTuple):
    """What came back: the structured content where there is some, and what can be said of any result.

    `bytes` is the length of the encoded result, `kinds` the types of its content blocks.
    """

    structured: Json | None
    is_error: bool
    bytes: int
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be done to what. `action` is an action's id.

    `resource`, `upstream` and `server` are what is acted upon, whose it is and through which virtual server it was
    addressed. `facts` are there for tools and prompts.
    """

    action: str
    resource: Uid
    upstream: str
    server: str
    facts: ToolFacts | PromptFacts | None = None


class Question(NamedTuple):
    """One request for a decision, and, where `output` is given, one for letting a result out.

    `now` is aware, `ip` the address of the caller.
    """

    principal: Principal
    subject: Subject
    now: datetime
    ip: str
    input: Json
    metadata: Mapping[str, str] | None = None
    output: Output | None = None


Path = tuple[str, ...]
"""A path of attribute names below `context`, such as ``("input", "amount")``."""


@dataclass(frozen=True, slots=True)
class Source:
    """One policy file as read."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: its `@id`, the engine's name of it, where it stands, and what its annotations say.

    `line` and `column` count from 1. `audit` is true for ``@mode("audit")``.
    """

    id: str
    key: str
    effect: Literal["permit", "forbid"]
    file: str
    line: int
    column: int
    text: str
    description: str = ""
    audit: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a policy file. `severity` error keeps the set from being loaded."""

    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    rule: str
    message: str
    policy: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A folder of policies, parsed. `policies` stand in the order of the files' names and in each file's own order.

    The engine's set is made of `text`, in which the policies have the keys ``policy0``, ``policy1``, … in order.
    """

    policies: tuple[Policy, ...]
    text: str
    digest: str
    remarks: Sequence[Remark] = ()
