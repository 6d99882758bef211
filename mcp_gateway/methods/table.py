"""Which methods a virtual server answers, in each era. Built anew for every snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mcp_gateway.calls.inventory import Change, Listing
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.core.call import Call
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.seal import Sealer
from mcp_gateway.methods.completion import Complete
from mcp_gateway.methods.discover import Discover
from mcp_gateway.methods.lists import ListEntries
from mcp_gateway.methods.prompts import GetPrompt
from mcp_gateway.methods.resources import ReadResource
from mcp_gateway.methods.session import ping, set_level
from mcp_gateway.methods.subscriptions import Listen, Subscribe, WatchResource, unsubscribe
from mcp_gateway.methods.tools import CallTool

Table = Mapping[str, Handler[Call, Result]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the methods of one virtual server are made of."""

    catalog: Catalog
    inner: Handler[Invocation, Result]
    cursors: Sealer
    changes: Hub[frozenset[Change]]
    watch: WatchResource
    closing: Callable[[], Awaitable[object]]


def tables(parts: Parts) -> tuple[Table, Table]:
    """The method tables of the modern and of the handshake era. What is not advertised is not there."""
    catalog, inner = parts.catalog, parts.inner
    capabilities = catalog.capabilities(True)
    shared: dict[str, Handler[Call, Result]] = {
        "tools/list": ListEntries(Listing.TOOLS, catalog, parts.cursors),
        "tools/call": CallTool(catalog.tools, inner),
    }
    if "prompts" in capabilities:
        shared["prompts/list"] = ListEntries(Listing.PROMPTS, catalog, parts.cursors)
        shared["prompts/get"] = GetPrompt(catalog.prompts, inner)
    if "resources" in capabilities:
        shared["resources/list"] = ListEntries(Listing.RESOURCES, catalog, parts.cursors)
        shared["resources/templates/list"] = ListEntries(Listing.TEMPLATES, catalog, parts.cursors)
        shared["resources/read"] = ReadResource(catalog.resolve_resource, inner)
    if "completions" in capabilities:
        shared["completion/complete"] = Complete(catalog.prompts, catalog.templates, catalog.resolve_resource, inner)
    discover = Discover(catalog)
    listen = Listen(
        capabilities=capabilities,
        changes=parts.changes,
        resolve=catalog.resolve_resource,
        watch=parts.watch,
        closing=parts.closing,
    )
    return (
        {**shared, "server/discover": discover, "subscriptions/listen": listen},
        {
            **shared,
            "initialize": discover,
            "ping": ping,
            "logging/setLevel": set_level,
            "resources/subscribe": Subscribe(catalog.resolve_resource, parts.watch),
            "resources/unsubscribe": unsubscribe,
        },
    )
