"""Specifications and inventories for the catalog's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_gateway.calls.inventory import CacheHint, Inventory, Listing
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.catalog.compile import compile_catalog
from mcp_gateway.catalog.findings import Severity
from mcp_gateway.core.call import Json
from mcp_gateway.settings.virtual_servers import VirtualServerSettings

PUBLIC = {kind: CacheHint(60_000, False) for kind in Listing}


def schema(properties: Mapping[str, Any] | None = None, **keywords: Any) -> Json:
    return {"type": "object", "properties": dict(properties or {}), **keywords}


def tool(name: str, properties: Mapping[str, Any] | None = None, /, **fields: Any) -> Json:
    return {"name": name, "inputSchema": schema(properties), **fields}


def offer(upstream: str, tools: Sequence[Any] = (), **fields: Any) -> Inventory:
    fields.setdefault("available", True)
    fields.setdefault("version", "2026-07-28")
    fields.setdefault("capabilities", {"tools": {}})
    fields.setdefault("hints", PUBLIC)
    return Inventory(upstream, tools=tuple(tools), **fields)


def server(*sources: Mapping[str, Any], **fields: Any) -> VirtualServerSettings:
    return VirtualServerSettings.model_validate({"name": "desk", "sources": list(sources), **fields})


def compiled(spec: VirtualServerSettings, *inventories: Inventory, **options: Any) -> Catalog:
    return compile_catalog(spec, {held.upstream: held for held in inventories}, server_version="1.0", **options)


def one(definition: Any, **override: Any) -> Catalog:
    """A catalog of one source with one tool; `override` is the admin's configuration of it."""
    tools = {definition["name"]: override} if override else {}
    return compiled(server({"upstream": "up", "tools": tools}), offer("up", [definition]))


def problems(catalog: Catalog, severity: Severity | None = None) -> list[str]:
    return [str(found) for found in catalog.problems if severity in {None, found.severity}]
