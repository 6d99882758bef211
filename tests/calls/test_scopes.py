"""Scopes of single tools: all that a call needs, named at once, before anything else is done for it."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.pipeline import inner
from mcp_gateway.calls.scopes import RequireScopes
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import GatewayError, InsufficientScope, Unauthenticated
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted, unrestricted
from mcp_gateway.envelopes.policy.breaker import Breaker, Circuit
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead, Places
from tests.calls.making import binding, call, invocation

METADATA = "https://gw.test/.well-known/oauth-protected-resource/servers/desk/mcp"
STAGE = RequireScopes({"desk": METADATA})


async def ok(call: Invocation) -> Result:
    return {"resultType": "complete"}


def asking(*granted: str, needed: tuple[str, ...] = ("a", "b"), **changes: Any) -> Invocation:
    principal = Principal(id="corp|a", subject="a", scopes=frozenset(granted))
    return invocation(**{"call": call(principal=principal), "tool": binding(scopes=needed), **changes})


@pytest.mark.parametrize("granted", [("a", "b"), ("c", "b", "a")])
async def test_who_has_all_scopes_goes_on(granted: tuple[str, ...]) -> None:
    assert await STAGE(asking(*granted), ok) == {"resultType": "complete"}


@pytest.mark.parametrize("tool", [None, binding()])
async def test_what_needs_no_scopes_goes_on(tool: Any) -> None:
    assert await STAGE(asking(tool=tool), ok) == {"resultType": "complete"}


@pytest.mark.parametrize("granted", [(), ("a",), ("b", "c"), ("A", "B"), ("a b",)])
async def test_who_lacks_one_is_told_all(granted: tuple[str, ...]) -> None:
    with pytest.raises(InsufficientScope) as caught:
        await STAGE(asking(*granted), ok)
    assert Challenge.parse(caught.value.challenge) == Challenge("insufficient_scope", ("a", "b"), METADATA)


async def test_who_brought_nothing_is_asked_for_a_token() -> None:
    with pytest.raises(Unauthenticated) as caught:
        await STAGE(asking(call=call(principal=ANONYMOUS)), ok)
    assert Challenge.parse(caught.value.challenge) == Challenge(None, ("a", "b"), METADATA)


async def test_without_metadata_none_is_named() -> None:
    with pytest.raises(InsufficientScope) as caught:
        await RequireScopes({})(asking(), ok)
    assert Challenge.parse(caught.value.challenge) == Challenge("insufficient_scope", ("a", "b"), None)


@pytest.mark.parametrize(
    "worse", [{"params": {"requestState": "forged"}}, {"tool": binding(scopes=("a",), check=lambda _: ("/x", "wrong"))}]
)
async def test_scopes_come_before_everything_else_that_is_wrong(worse: dict[str, Any]) -> None:
    async def invoke(permitted: Permitted[Invocation]) -> Result:
        raise AssertionError("nothing of it may arrive")

    handler = inner(
        require_scopes=STAGE,
        seal_state=SealState(Sealer((b"k" * 32,), "request-state")),
        authorize=Authorize(unrestricted),
        breaker=Breaker({"up": Circuit()}),
        bulkhead=Bulkhead({"up": Places(1)}),
        invoke=invoke,
    )
    with pytest.raises(GatewayError) as caught:
        await handler(asking(**worse))
    assert isinstance(caught.value, InsufficientScope)
