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
from mcp_gateway.methods.offer import Offer
from mcp_gateway.methods.prompts import GetPrompt
from mcp_gateway.methods.resources import ReadResource
from mcp_gateway.methods.session import ping, set_level
from mcp_gateway.methods.subscriptions import Listen, Subscribe, WatchResource, unsubscribe
from mcp_gateway.methods.tools import CallTool

Table = Mapping[str, Handler[Call, Result]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the methods of one virtual server are made of.

    `offer` is that of the snapshot, `offer_now` that of the one in force later on: None when the server is gone.
    """

    catalog: Catalog
    offer: Offer
    offer_now: Callable[[], Offer | None]
    inner: Handler[Invocation, Result]
    cursors: Sealer
    changes: Hub[frozenset[Change]]
    watch: WatchResource
    closing: Callable[[], Awaitable[object]]


def tables(parts: Parts) -> tuple[Table, Table]:
    """The method tables of the modern and of the handshake era. What is not advertised is not there."""
    catalog, offer, inner = parts.catalog, parts.offer, parts.inner
    capabilities = catalog.capabilities(True)
    shared: dict[str, Handler[Call, Result]] = {
        "tools/list": ListEntries(Listing.TOOLS, offer, parts.cursors),
        "tools/call": CallTool(offer, inner),
    }
    if "prompts" in capabilities:
        shared["prompts/list"] = ListEntries(Listing.PROMPTS, offer, parts.cursors)
        shared["prompts/get"] = GetPrompt(offer, inner)
    if "resources" in capabilities:
        shared["resources/list"] = ListEntries(Listing.RESOURCES, offer, parts.cursors)
        shared["resources/templates/list"] = ListEntries(Listing.TEMPLATES, offer, parts.cursors)
        shared["resources/read"] = ReadResource(offer, inner)
    if "completions" in capabilities:
        shared["completion/complete"] = Complete(offer, inner)
    discover = Discover(catalog)
    listen = Listen(
        capabilities=capabilities,
        changes=parts.changes,
        offer=offer,
        offer_now=parts.offer_now,
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
            "resources/subscribe": Subscribe(offer, parts.offer_now, parts.watch),
            "resources/unsubscribe": unsubscribe,
        },
    )
