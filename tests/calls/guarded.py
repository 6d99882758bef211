"""The guard stages with real detectors, around an upstream that keeps what it is asked and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_gateway.calls.fits import Fits
from mcp_gateway.calls.guard import Guard
from mcp_gateway.calls.guard_link import GuardLink
from mcp_gateway.calls.guarding import Guarding
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.catalog.schema import build
from mcp_gateway.core.call import Json
from mcp_gateway.core.pipeline import Handler, compose
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted, unrestricted
from mcp_gateway.envelopes.safety.safeguard import Safeguard
from mcp_gateway.settings.guardrails import GuardrailsSettings
from tests.calls.making import binding, call, invocation

PRE, POST = "mcp_tool_pre_invoke_guardrails", "mcp_tool_post_invoke_guardrails"
NAMES = ("own/secrets", "own/pii")
SPEC = {
    "groups": [
        {
            "name": "own",
            "guardrails": [
                {"name": "secrets", "type": "secrets", "operation": "mutate", "priority": 1},
                {"name": "pii", "type": "pii", "operation": "mutate", "priority": 2},
            ],
        }
    ],
    "rules": [{"id": "all", PRE: NAMES, POST: NAMES}],
}


def _none(guardrail: str, call: Invocation, result: Result | None) -> bool:
    raise AssertionError("no guardrail here asks a policy")


@dataclass(slots=True)
class Guarded:
    """`asked` is what reached the upstream last, None where nothing did."""

    answer: Result = field(default_factory=lambda: {"resultType": "complete", "content": []})
    asked: Json | None = None
    _safeguard: Safeguard = field(default_factory=Safeguard)
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def close(self) -> None:
        self._runner.run(self._safeguard.close())
        self._runner.close()

    def ask(
        self, kind: Kind, params: Json, answer: Result, *, definition: Mapping[str, Any] | None = None, meta: Any = None
    ) -> Result:
        """What the client gets. Raises what the stages raise."""
        self.answer, self.asked = answer, None
        told = binding(definition=dict(definition or {})) if kind is Kind.TOOL else None
        made = invocation(params, kind=kind, tool=told, meta=meta or {}, call=call(method=kind.value))
        return self._runner.run(self._run(self._handler(definition or {}), made))

    async def _run(self, handler: Handler[Invocation, Result], made: Invocation) -> Result:
        return await handler(made)

    def _handler(self, definition: Mapping[str, Any]) -> Handler[Invocation, Result]:
        configured = self._safeguard.configured(_MODEL, governed=False)
        guarding = Guarding(configured.rulebook, self._safeguard.engine, _none)
        fits = Fits({("up", "echo"): dict(definition)}, lambda schema: build(schema).is_valid)
        authorize: Authorize[Invocation] = Authorize(unrestricted)
        inner = authorize.guarding(compose([Guard(guarding, authorize, fits)], self._upstream))
        return compose([GuardLink(guarding)], inner)

    async def _upstream(self, permitted: Permitted[Invocation]) -> Result:
        made = permitted.call
        self.asked = {**made.params, **({"_meta": made.meta} if made.meta else {})}
        return self.answer


_MODEL = GuardrailsSettings.model_validate(SPEC)
