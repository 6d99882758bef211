"""What a virtual server declares, per era."""

from __future__ import annotations

from typing import Any

from mcp_gateway.catalog.compile import compile_catalog
from tests.catalog.making import compiled, offer, server

EVERYTHING: dict[str, Any] = {
    "tools": {},
    "prompts": {},
    "resources": {"subscribe": True},
    "completions": {},
    "logging": {},
    "extensions": {"io.modelcontextprotocol/ui": {"v": 1}, "io.modelcontextprotocol/tasks": {}},
}
ALL: dict[str, Any] = {"upstream": "up", "enabled_prompts": ["*"], "enabled_resources": ["*"]}


def test_everything_exposed_is_declared() -> None:
    catalog = compiled(server(ALL), offer("up", capabilities=EVERYTHING))
    handshake = {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "completions": {},
        "logging": {},
    }
    assert catalog.capabilities(False) == handshake
    assert catalog.capabilities(True) == {**handshake, "extensions": {"io.modelcontextprotocol/ui": {"v": 1}}}


def test_what_is_not_exposed_is_not_declared() -> None:
    catalog = compiled(server({"upstream": "up"}), offer("up", capabilities=EVERYTHING))
    assert catalog.capabilities(False) == {"tools": {"listChanged": True}, "logging": {}}


def test_capabilities_are_a_union() -> None:
    spec = server(ALL, {"upstream": "two"})
    catalog = compiled(spec, offer("up", capabilities={"prompts": {}}), offer("two", capabilities={"tools": {}}))
    assert set(catalog.capabilities(True)) == {"tools", "prompts"}


def test_a_source_that_was_never_reached_may_yet_offer_lists() -> None:
    catalog = compile_catalog(server(ALL), {}, server_version="1")
    assert set(catalog.capabilities(True)) == {"tools", "prompts", "resources"}


def test_hostile_capabilities_are_passed_over() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"d": deep}
    odd: dict[str, Any] = {"tools": None, "resources": [], "extensions": {"x": deep, "y": 2**80}, "logging": 1}
    assert compiled(server(ALL), offer("up", capabilities=odd)).capabilities(True) == {
        "tools": {"listChanged": True},
        "resources": {"listChanged": True},
        "logging": {},
    }
