"""An argument that the admin fixed cannot be set by a name that only a careless upstream takes for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.agents import ERAS, Era, agent
from tests.faults.listing import ListingMCP, tool
from tests.faults.site import site

SCHEMA = {"type": "object", "properties": {"amount": {}, "currency": {}, "memo": {}, "Memo": {}}}
CHANGES = {"currency": {"value": "EUR"}, "memo": {"value": "fixed"}}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["currency", "Currency", "CURRENCY", "currency\0", "Currency\0x", "MEMO"])
async def test_a_fixed_argument_is_not_set_under_a_name_like_it(tmp_path: Path, era: Era, name: str) -> None:
    source: dict[str, Any] = {"upstream": "evil", "tools": {"post": {"arguments": CHANGES}}}
    async with (
        ListingMCP([tool("post", SCHEMA)]) as evil,
        site(tmp_path, {"evil": {"url": evil.url}}, {"main": [source]}) as here,
    ):
        client = await agent(here.url(), era)
        refused = await client.call("post", {"amount": 1, name: "USD"})
        assert refused["result"]["isError"] is True
        assert evil.calls() == 0
        taken = await client.call("post", {"amount": 1, "Memo": "one of its own", "x": 2})
        expected = {"amount": 1, "Memo": "one of its own", "x": 2, "currency": "EUR", "memo": "fixed"}
        assert taken["result"]["structuredContent"] == {"echo": expected}
