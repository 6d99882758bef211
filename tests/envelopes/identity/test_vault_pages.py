"""Connections by pages."""

from __future__ import annotations

from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens


async def test_connections_come_in_pages_that_go_on_after_a_key(state: State) -> None:
    keys = [
        GrantKey(f"corp|{person}", upstream) for person in ("a", "a b", "b|c", "é") for upstream in ("crm", "tickets")
    ]
    for key in reversed(keys):
        await state.vault.store(Grant(key=key, kind="header", tokens=Tokens()))
    whole = [GrantKey(each.principal, each.upstream) for each in await state.vault.connections()]
    assert sorted(whole, key=str) == sorted(keys, key=str)
    found: list[GrantKey] = []
    while page := await state.vault.connections(after=found[-1] if found else None, most=3):
        assert len(page) <= 3
        found += [GrantKey(each.principal, each.upstream) for each in page]
    assert found == whole
    assert await state.vault.connections(after=GrantKey("corp|\0", "x"), most=3) == ()
    mine = await state.vault.connections(principal="corp|a", after=GrantKey("corp|a", "crm"), most=3)
    assert [each.upstream for each in mine] == ["tickets"]
