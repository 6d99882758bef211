"""Guardrails are chosen once for a call, by the stage that guards its link, and anew for any other call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from mcp_gateway.calls.fits import Fits
from mcp_gateway.calls.guard import Guard
from mcp_gateway.calls.guard_link import GuardLink
from mcp_gateway.calls.guarding import Guarding
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Blocked
from mcp_gateway.core.pipeline import Handler, compose
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted, unrestricted
from mcp_gateway.envelopes.safety.rules import Chosen
from mcp_gateway.envelopes.safety.safeguard import Safeguard
from mcp_gateway.settings.guardrails import GuardrailsSettings
from tests.calls.guarded import PRE
from tests.calls.making import invocation
from tests.envelopes.safety.support import PERSONAL

SPEC: dict[str, Any] = {
    "groups": [{"name": "own", "guardrails": [{"name": "pii", "type": "pii", "operation": "validate"}]}],
    "rules": [{"id": "some", "when": {"tools": ["up/secret"]}, PRE: ["own/pii"]}],
}
SAID = {"name": "secret", "arguments": {"to": PERSONAL["email"][0]}}


class Counting(Guarding):
    """Counts how often guardrails are chosen."""

    times = 0

    def chosen(self, call: Invocation) -> tuple[Sequence[Chosen], Sequence[Chosen]]:
        self.times += 1
        return super().chosen(call)


class Renames:
    """A stage that makes another call of a call."""

    def __init__(self, target: str) -> None:
        self._target = target

    async def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Result:
        return await call_next(call._replace(target=self._target))


async def upstream(call: Permitted[Invocation]) -> Result:
    return {"resultType": "complete", "content": []}


def asked(target: str, *between: Renames, arguments: dict[str, Any] | None = None) -> int:
    """How often guardrails were chosen for a call of `target`. Raises what the stages raise."""
    safeguard = Safeguard()
    configured = safeguard.configured(GuardrailsSettings.model_validate(SPEC), governed=False)
    guarding = Counting(configured.rulebook, safeguard.engine, lambda *_: False)
    authorize: Authorize[Invocation] = Authorize(unrestricted)
    guard = Guard(guarding, authorize, Fits({}, lambda schema: None))
    handler = compose([GuardLink(guarding), *between], authorize.guarding(compose([guard], upstream)))

    async def run() -> None:
        try:
            await handler(
                invocation(SAID if arguments is None else {"name": "x", "arguments": arguments}, target=target)
            )
        finally:
            await safeguard.close()

    asyncio.run(run())
    return guarding.times


def test_a_call_that_is_guarded_is_chosen_for_once() -> None:
    assert asked("secret", arguments={}) == 1
    with pytest.raises(Blocked):
        asked("secret")


@pytest.mark.parametrize("first", ["secret", "other"])
def test_another_call_on_the_same_link_is_chosen_for_anew(first: str) -> None:
    assert asked(first, Renames("secret"), arguments={}) == 2
    with pytest.raises(Blocked):
        asked(first, Renames("secret"))
    assert asked(first, Renames("other")) == 2
