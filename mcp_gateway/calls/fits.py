"""What guardrails left of a message must still be what the tool's own schemas promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.call import Json

Valid = Callable[[Any], bool]


class Fits:
    """Holds arguments and results against the upstream's schemas, compiled when they are first asked for.

    `definitions` are the tools by upstream and own name as the upstream defines them. `build` compiles a schema, or
    returns None for one that cannot be used: nothing fits that.
    """

    __slots__ = ("_build", "_compiled", "_definitions")

    def __init__(self, definitions: Mapping[tuple[str, str], Json], build: Callable[[Json], Valid | None]) -> None:
        self._definitions = definitions
        self._build = build
        self._compiled: dict[tuple[str, str, str], Valid | None] = {}  # no more than two for each tool

    def arguments(self, call: Invocation) -> bool:
        """Whether the arguments that the upstream will get fit."""
        return self._valid(call, "inputSchema", call.params.get("arguments", {}))

    def result(self, call: Invocation, result: Result) -> bool:
        """Whether the structured part of a result fits; a failure needs none."""
        if "structuredContent" not in result or result.get("isError") is True:
            return True
        return self._valid(call, "outputSchema", result["structuredContent"])

    def _valid(self, call: Invocation, which: str, value: object) -> bool:
        if call.tool is None:
            return True
        schema = self._definitions.get((call.upstream, call.target), {}).get(which)
        if not isinstance(schema, dict):
            return True
        key = (call.upstream, call.target, which)
        if key not in self._compiled:
            self._compiled[key] = self._build(schema)
        valid = self._compiled[key]
        return valid is not None and valid(value)
