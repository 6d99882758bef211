"""prompts/get."""

from __future__ import annotations

from collections.abc import Awaitable

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import UnknownName
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.methods.invocation import make, text
from mcp_gateway.methods.offer import Offer


class GetPrompt:
    """Finds the prompt by its exposed name and hands the call to the inner pipeline."""

    __slots__ = ("_inner", "_offer")

    def __init__(self, offer: Offer, inner: Handler[Invocation, Result]) -> None:
        self._offer = offer
        self._inner = inner

    def __call__(self, call: Call) -> Awaitable[Result]:
        name = text(call.params, "name")
        prompt = self._offer.prompt(name, call)
        if prompt is None:
            raise UnknownName(f"Unknown prompt: {name[:64]}", pointer="/params/name")
        changes = {"name": prompt.upstream_name}
        return self._inner(
            make(call, Kind.PROMPT, upstream=prompt.upstream, target=prompt.upstream_name, changes=changes)
        )
