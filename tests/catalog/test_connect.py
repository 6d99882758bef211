"""A source that waits for a person: one tool stands for it, and it is not down."""

from __future__ import annotations

from mcp_gateway.calls.inventory import Inventory, Listing
from mcp_gateway.catalog.compile import compile_catalog
from mcp_gateway.settings.virtual_servers import VirtualServerSettings

WAITING = Inventory("tickets", error="waits", waits_for_person=True)


def spec(**source: object) -> VirtualServerSettings:
    given = {"name": "desk", "best_effort": False, "sources": [{"upstream": "tickets", **source}]}
    return VirtualServerSettings.model_validate(given)


def test_one_tool_stands_for_the_source() -> None:
    catalog = compile_catalog(spec(prefix="t_"), {"tickets": WAITING}, server_version="1")
    (tool,) = catalog.tools.values()
    assert tool.name == "t_connect_tickets" and tool.connects and tool.read_only and not tool.destructive
    assert [entry["name"] for entry in catalog.entries(Listing.TOOLS)] == ["t_connect_tickets"]
    assert tool.definition["annotations"]["readOnlyHint"] is True
    assert tool.check({}) is None and tool.check({"x": 1}) is not None
    assert catalog.broken == () and catalog.unavailable == () and catalog.problems == ()
    assert catalog.capabilities(True)["tools"] == {"listChanged": True}


def test_it_goes_when_the_lists_have_been_read() -> None:
    read = Inventory("tickets", tools=({"name": "file", "inputSchema": {"type": "object"}},), version="2026-07-28",
                     capabilities={"tools": {}}, available=True)  # fmt: skip
    catalog = compile_catalog(spec(), {"tickets": read}, server_version="1")
    assert list(catalog.tools) == ["file"]
    waiting = compile_catalog(spec(), {"tickets": WAITING}, server_version="1")
    assert waiting.digest != catalog.digest


def test_a_source_without_tools_has_none_to_connect() -> None:
    catalog = compile_catalog(spec(enabled_tools=[]), {"tickets": WAITING}, server_version="1")
    assert not catalog.tools
