"""Keys of virtual accounts at the door: what they are, and how soon a revoked one is none."""

from __future__ import annotations

import asyncio

import pytest

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.stores import VirtualAccount
from tests.envelopes.identity.issuing import DESK, NOW, bearer_of
from tests.envelopes.identity.site import OTHER, ScriptedAccounts, site


async def test_a_key_is_its_virtual_account_everywhere_until_it_is_revoked() -> None:
    account = VirtualAccount(name="nightly", teams=("ops",), scopes=("desk.use",), owner="corp|alice")
    async with site(accounts=ScriptedAccounts(mgk_1_k=account)) as s:
        principal = await s.enter("mgk_1_k")
        assert (principal.id, principal.kind, principal.owner) == (
            "virtual_account:nightly", "virtual_account", "corp|alice",
        )  # fmt: skip
        assert (principal.teams, principal.scopes, principal.token) == (("ops",), frozenset({"desk.use"}), None)
        assert await s.enter("mgk_1_k", resource=OTHER) is principal and s.accounts.asked == 1
        s.accounts.accounts.clear()
        s.clock.passed = 9.9
        assert await s.enter("mgk_1_k")
        s.clock.passed = 10.0
        assert await s.refused("mgk_1_k") == "unknown_account_key"


async def test_an_unknown_key_is_sought_once_in_a_while() -> None:
    async with site() as s:
        for _ in range(20):
            assert await s.refused("mgk_1_k") == "unknown_account_key"
        assert s.accounts.asked == 1
        s.clock.passed = 5.0
        s.accounts.accounts["mgk_1_k"] = VirtualAccount(name="n")
        assert await s.enter("mgk_1_k")


async def test_a_key_ends_when_it_was_said_to() -> None:
    accounts = ScriptedAccounts(mgk_1_k=VirtualAccount(name="n", expires_at=NOW + 3))
    async with site(accounts=accounts) as s:
        assert await s.enter("mgk_1_k")
        s.clock.passed = 3.0
        assert await s.refused("mgk_1_k") == "expired"


async def test_a_store_that_is_down_is_not_the_callers_fault() -> None:
    async with site() as s:
        s.accounts.down = True
        with pytest.raises(IdentityUnavailable):
            await s.enter("mgk_1_k")
        s.accounts.down = False
        assert await s.refused("mgk_1_k") == "unknown_account_key"


async def test_a_key_is_shown_to_no_issuer() -> None:
    async with site(introspection={"client_id": "gw", "client_secret": Secret("s")}) as s:
        assert await s.refused("mgk_1_k") == "unknown_account_key"
        assert s.idp.asked.total() == 0


async def test_fifty_callers_with_one_new_token_are_one_verification() -> None:
    account = VirtualAccount(name="n")
    async with site(accounts=ScriptedAccounts(mgk_1_k=account)) as s:
        scope = bearer_of(["mgk_1_k"])
        principals = await asyncio.gather(*(s.door.verify(scope, DESK) for _ in range(50)))
        assert s.accounts.asked == 1 and len({id(one) for one in principals}) == 1
