"""Scopes in the catalog: what a call of a tool needs, the server's included."""

from __future__ import annotations

import pytest

from tests.catalog.making import compiled, offer, server, tool

OFFER = offer("up", [tool("a"), tool("b")])


@pytest.mark.parametrize(
    ("of_server", "of_tool", "expected"),
    [
        ([], [], ()),
        (["s"], [], ()),
        ([], ["t"], ("t",)),
        (["s", "t"], ["t", "u"], ("s", "t", "u")),
    ],
)
def test_a_tool_needs_its_own_scopes_and_those_of_the_server(
    of_server: list[str], of_tool: list[str], expected: tuple[str, ...]
) -> None:
    catalog = compiled(server({"upstream": "up", "tools": {"a": {"scopes": of_tool}}}, scopes=of_server), OFFER)
    assert catalog.tools["a"].scopes == expected and catalog.tools["b"].scopes == ()


def test_other_scopes_are_another_catalog_with_the_same_list() -> None:
    plain, guarded = (
        compiled(server({"upstream": "up", "tools": {"a": {"scopes": scopes}}}), OFFER) for scopes in ([], ["t"])
    )
    assert plain.digest != guarded.digest
    assert [shelf.digest for shelf in plain.shelves.values()] == [shelf.digest for shelf in guarded.shelves.values()]
