"""What a principal sees of every virtual server, item by item, in a form that two states can be compared by."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.calls.subjects import Subjects
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.core.call import Json
from mcp_gateway.core.canonical import fingerprint
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.engine import Engine
from mcp_gateway.envelopes.policy.cedar.model import Subject

Kind = Literal["tool", "prompt", "resource", "template"]
Reach = Literal["always", "sometimes"]

_AT_A_TIME: Final = 8
"""Items looked at without a turn for others: a millisecond or two with fifty policies."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a list.

    `name` is what agents see, `target` what the upstream calls it; of a resource both are its URI. `reach` is always
    where every call is permitted, sometimes where it depends on what is asked and what comes back. `fields` are the
    members of the definition, each with a digest of its value. `connects`: the gateway's own tool that stands for
    lists which are shown to people's accounts only.
    """

    kind: Kind
    name: str
    upstream: str
    target: str
    reach: Reach
    fields: Mapping[str, str]
    connects: bool = False


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """One virtual server for one principal. Of `unavailable` sources it is not known what they offer now.

    `quarantined` are tools that nobody sees until they are accepted, by the names they would have.
    """

    items: tuple[Item, ...]
    unavailable: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """What one principal sees in one state of a gateway, whose version is `snapshot`."""

    principal: str
    snapshot: str
    servers: Mapping[str, ServerAccess]


@dataclass(frozen=True, slots=True)
class Rules:
    """The policies in force over all virtual servers."""

    engine: Engine
    subjects: Mapping[str, Subjects]


async def seen(
    catalogs: Mapping[str, Catalog], rules: Rules | None, principal: Principal
) -> Mapping[str, ServerAccess]:
    """What `principal` sees of `catalogs`: all of it without `rules`. Lets others have their turn."""
    return {
        name: ServerAccess(
            await _items(catalog, None if rules is None else rules, principal),
            tuple(catalog.unavailable),
            tuple(sorted(catalog.quarantined)),
        )
        for name, catalog in catalogs.items()
    }


async def _items(catalog: Catalog, rules: Rules | None, principal: Principal) -> tuple[Item, ...]:
    items = list(_listed(catalog))
    if rules is None:
        return tuple(items)
    subjects = rules.subjects[catalog.server]
    found: list[Item] = []
    for start in range(0, len(items), _AT_A_TIME):
        await asyncio.sleep(0)
        some = items[start : start + _AT_A_TIME]
        asked = [_subject(item, subjects) for item in some]
        could = rules.engine.possible(principal, asked)
        must = rules.engine.certain(principal, asked)
        found += [
            item if certainly else _sometimes(item)
            for item, possibly, certainly in zip(some, could, must, strict=True)
            if possibly
        ]
    return tuple(found)


def _sometimes(item: Item) -> Item:
    return Item(item.kind, item.name, item.upstream, item.target, "sometimes", item.fields, item.connects)


def _subject(item: Item, subjects: Subjects) -> Subject:
    match item.kind:
        case "tool":
            return subjects.tools[item.name]
        case "prompt":
            return subjects.prompts[item.upstream, item.target]
        case "resource" | "template":
            return subjects.resource(item.upstream, item.target)


def _listed(catalog: Catalog) -> Iterator[Item]:
    for entry in catalog.entries(Listing.TOOLS):
        tool = catalog.tools[entry["name"]]
        needs = {"scopes": fingerprint(sorted(tool.scopes))} if tool.scopes else {}
        fields = _fields(entry) | needs
        yield Item("tool", tool.name, tool.upstream, tool.upstream_name, "always", fields, tool.connects)
    for entry in catalog.entries(Listing.PROMPTS):
        prompt = catalog.prompts[entry["name"]]
        yield Item("prompt", prompt.name, prompt.upstream, prompt.upstream_name, "always", _fields(entry))
    for entry in catalog.entries(Listing.RESOURCES):
        resource = catalog.resources[entry["uri"]]
        yield Item("resource", resource.uri, resource.upstream, resource.uri, "always", _fields(entry))
    templates = {each.template: each for each in catalog.templates}
    for entry in catalog.entries(Listing.TEMPLATES):
        template = templates[entry["uriTemplate"]]
        yield Item("template", template.template, template.upstream, template.template, "always", _fields(entry))


def _fields(definition: Json) -> dict[str, str]:
    """A digest of each member but the name, which is told apart; each hint counts as a member."""
    members = {name: value for name, value in definition.items() if name != "name"}
    hints = members.pop("annotations", None)
    if isinstance(hints, Mapping):
        members |= {f"annotations.{name}": value for name, value in hints.items()}
    return {name: fingerprint(value)[:16] for name, value in members.items()}
