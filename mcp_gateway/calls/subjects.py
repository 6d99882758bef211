"""What one virtual server offers, as policies speak of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.calls.kinds import PromptBinding, ToolBinding
from mcp_gateway.envelopes.policy.cedar.model import (
    COMPLETE,
    GET_PROMPT,
    READ_RESOURCE,
    Facts,
    PromptFacts,
    Subject,
    ToolFacts,
    Uid,
)

_NOTHING_TAKEN: Final[Mapping[str, Any]] = MappingProxyType({"type": "object"})


@dataclass(frozen=True, slots=True)
class Subjects:
    """The subjects of one virtual server: tools by exposed name, prompts by upstream and its own name."""

    server: str
    tools: Mapping[str, Subject]
    prompts: Mapping[tuple[str, str], Subject]

    @classmethod
    def of(cls, server: str, facts: Facts, tools: Iterable[ToolBinding], prompts: Iterable[PromptBinding]) -> Subjects:
        """The hints are those of the composition: an admin's word outranks the upstream's."""
        known = {each.uid: each for each in facts.tools}
        named = {each.uid: each for each in facts.prompts}
        return cls(
            server,
            {tool.name: _tool(server, tool, known) for tool in tools},
            {(prompt.upstream, prompt.upstream_name): _prompt(server, prompt, named) for prompt in prompts},
        )

    def resource(self, upstream: str, uri: str) -> Subject:
        """Reading the resource `uri`, which is known by exactly this spelling."""
        return Subject(READ_RESOURCE, Uid("Resource", uri), upstream, self.server)

    def completion(self, upstream: str, target: str, *, prompt: bool) -> Subject:
        """Completing an argument of a prompt, by its own name, or of a resource template."""
        if prompt:
            return replace(self.prompts[upstream, target], action=COMPLETE)
        return Subject(COMPLETE, Uid("Resource", target), upstream, self.server)


def _tool(server: str, tool: ToolBinding, known: Mapping[Uid, ToolFacts]) -> Subject:
    bare = ToolFacts(tool.upstream, tool.upstream_name, _NOTHING_TAKEN)
    facts = replace(
        known.get(bare.uid, bare),
        read_only=tool.read_only,
        destructive=tool.destructive,
        idempotent=tool.idempotent,
        open_world=tool.open_world,
        tags=tool.tags,
    )
    return Subject(facts.action, facts.uid, tool.upstream, server, facts)


def _prompt(server: str, prompt: PromptBinding, known: Mapping[Uid, PromptFacts]) -> Subject:
    facts = PromptFacts(prompt.upstream, prompt.upstream_name)
    return Subject(GET_PROMPT, facts.uid, prompt.upstream, server, known.get(facts.uid, facts))
