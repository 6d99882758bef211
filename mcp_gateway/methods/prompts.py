"""prompts/get."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from mcp_gateway.calls.kinds import Invocation, Kind, PromptBinding, Result
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import UnknownName
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.methods.invocation import make, text


class GetPrompt:
    """Finds the prompt by its exposed name and hands the call to the inner pipeline."""

    __slots__ = ("_inner", "_prompts")

    def __init__(self, prompts: Mapping[str, PromptBinding], inner: Handler[Invocation, Result]) -> None:
        self._prompts = prompts
        self._inner = inner

    def __call__(self, call: Call) -> Awaitable[Result]:
        name = text(call.params, "name")
        prompt = self._prompts.get(name)
        if prompt is None:
            raise UnknownName(f"Unknown prompt: {name[:64]}", pointer="/params/name")
        changes = {"name": prompt.upstream_name}
        return self._inner(
            make(call, Kind.PROMPT, upstream=prompt.upstream, target=prompt.upstream_name, changes=changes)
        )
