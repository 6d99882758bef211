"""Prompts, resources and resource templates: exposed as they are, only prompts may get another name."""

from __future__ import annotations

from collections.abc import Callable

from mcp_gateway.calls.kinds import PromptBinding, ResourceBinding, TemplateBinding
from mcp_gateway.catalog.draft import Draft
from mcp_gateway.catalog.spec import SourceSpec
from mcp_gateway.catalog.templates import compile_template
from mcp_gateway.catalog.uris import comparable, plain
from mcp_gateway.core.call import Json


def draft_prompt(definition: Json, source: SourceSpec, available: bool) -> Draft[PromptBinding]:
    """The draft of one well-shaped prompt definition."""
    upstream_name = definition["name"]

    def make(name: str) -> PromptBinding:
        final = definition if upstream_name == name else {**definition, "name": name}
        return PromptBinding(name, source.upstream, upstream_name, final)

    return Draft(source.upstream, upstream_name, source.prefix + upstream_name, available, make)


def draft_resource(definition: Json, source: SourceSpec, available: bool) -> Draft[ResourceBinding]:
    """The draft of one well-shaped resource definition."""

    def make(uri: str) -> ResourceBinding:
        return ResourceBinding(uri, source.upstream, definition)

    return Draft(source.upstream, definition["uri"], definition["uri"], available, make)


def draft_template(
    definition: Json, source: SourceSpec, available: bool, excluded: frozenset[str]
) -> Draft[TemplateBinding]:
    """The draft of one well-shaped template definition. Raises `LeftOut` when it is no RFC 6570 template.

    `excluded` are the upstream's listed resources that this source does not expose (in `comparable` form):
    a template must not be a way round their exclusion.
    """
    text = definition["uriTemplate"]
    template = compile_template(text)
    matches = _admitting(template.fits, excluded)

    def make(name: str) -> TemplateBinding:
        return TemplateBinding(name, source.upstream, definition, matches)

    return Draft(source.upstream, text, text, available, make, sorted(excluded), weight=template.literal)


def _admitting(fits: Callable[[str], bool], excluded: frozenset[str]) -> Callable[[str], bool]:
    def matches(uri: str) -> bool:
        return fits(uri) and plain(uri) and not (excluded and comparable(uri) in excluded)

    return matches
