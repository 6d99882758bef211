"""A key that another reader takes for a known one is found; all others are left alone."""

from __future__ import annotations

import pytest

from mcp_gateway.core.lookalike import folded, lookalike

KNOWN = frozenset({"name", "requestState", "task"})
FOLDED = frozenset(map(folded, KNOWN))


@pytest.mark.parametrize(
    "key", ["Name", "NAME", "requeststate", "REQUEST\u017fTATE", "tas\u212a", "name\0", "Name\0more"]
)
def test_what_looks_like_a_known_key_is_found(key: str) -> None:
    assert lookalike(["other", key], KNOWN, FOLDED) == key


@pytest.mark.parametrize(
    "key", ["name", "requestState", "names", "na me", "", "\0name", "nam\u00e9", "vendor.example/Name"]
)
def test_what_is_known_or_foreign_is_not(key: str) -> None:
    assert lookalike([key], KNOWN, FOLDED) is None
