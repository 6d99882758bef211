"""What upstreams offer, as the facts that the schema of the policies is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mcp_gateway.calls.inventory import Inventory
from mcp_gateway.catalog.tools import hints
from mcp_gateway.core.call import Json
from mcp_gateway.envelopes.policy.cedar.model import Facts, PromptFacts, ToolFacts
from mcp_gateway.envelopes.safety.metadata.contract import named
from mcp_gateway.pinning import Held
from mcp_gateway.settings.settings import Settings


def facts_of(settings: Settings, held: Mapping[str, Held]) -> Facts:
    """The tools and prompts of all configured upstreams as they define them, by name: the order of a list is no fact.

    What cannot be a tool or a prompt is left out, as it is in catalogs. Hints are the upstreams' own here; a
    composition's are laid over where a call is decided. Of tools that are pinned the accepted definition counts.
    """
    metadata = settings.gateway.metadata
    return Facts(
        upstreams=tuple(sorted(settings.upstreams)),
        tools=tuple(tool for name in sorted(held) for tool in _tools(name, held[name].known)),
        prompts=tuple(prompt for name in sorted(held) for prompt in _prompts(name, held[name].known)),
        metadata=() if metadata is None else tuple(sorted(named(metadata))),
    )


def _tools(upstream: str, inventory: Inventory) -> Iterator[ToolFacts]:
    for name, definition in sorted(_named(inventory.tools).items()):
        given, returned = definition.get("inputSchema"), definition.get("outputSchema")
        if not isinstance(given, dict):
            continue
        told = hints(definition)
        yield ToolFacts(
            upstream,
            name,
            given,
            returned if isinstance(returned, dict) else None,
            read_only=told["readOnlyHint"],
            destructive=told["destructiveHint"],
            idempotent=told["idempotentHint"],
            open_world=told["openWorldHint"],
        )


def _prompts(upstream: str, inventory: Inventory) -> Iterator[PromptFacts]:
    for name, definition in sorted(_named(inventory.prompts).items()):
        given = definition.get("arguments")
        arguments = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
        named = {each["name"]: each.get("required") is True for each in arguments if isinstance(each.get("name"), str)}
        yield PromptFacts(upstream, name, tuple(named.items()))


def _named(definitions: tuple[Json, ...]) -> dict[str, Json]:
    """The definitions by name; of two with one name the first, as catalogs have it."""
    found: dict[str, Json] = {}
    for definition in definitions:
        name = definition.get("name")
        if isinstance(name, str):
            found.setdefault(name, definition)
    return found
