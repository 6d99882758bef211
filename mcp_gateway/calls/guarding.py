"""What the stages around a call share: which guardrails look at it, and what their word leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mcp_gateway.calls.carriers import Carried, Permits
from mcp_gateway.calls.kinds import Invocation, Kind
from mcp_gateway.core.call import Json
from mcp_gateway.core.principal import subjects_of
from mcp_gateway.envelopes.safety.engine import Checked, Engine
from mcp_gateway.envelopes.safety.gate import Gate
from mcp_gateway.envelopes.safety.rules import Asked, Chosen, Rulebook
from mcp_gateway.envelopes.safety.verdict import MCP_HOOKS, Hook, Judgement


class Guarding:
    """The guardrails of a configuration over the calls of one snapshot."""

    __slots__ = ("_gate", "_permits")

    def __init__(self, rules: Rulebook, engine: Engine, permits: Permits) -> None:
        self._gate = Gate(rules, engine, MCP_HOOKS)
        self._permits = permits

    def concerns(self, call: Invocation) -> bool:
        """Whether anything may have to look at `call`. The gateway's own tool carries nothing of anybody."""
        if call.tool is not None and call.tool.connects:
            return False
        return self._gate.concerns(call.call.headers)

    def chosen(self, call: Invocation) -> tuple[Sequence[Chosen], Sequence[Chosen]]:
        """The guardrails that look at `call`, and at what comes back.

        Raises `Invalid` for a header that cannot be honoured.
        """
        return self._gate.chosen(_asked(call) if self._gate.asks else _NOTHING, call.call.headers)

    async def going(self, call: Invocation, chosen: Sequence[Chosen]) -> Checked:
        """Look at what goes to the upstream. Raises `Blocked`."""
        return await self._gate.check(Hook.PRE_INVOKE, chosen, Carried.going(call, self._permits), call.call.trail)

    async def answer(self, call: Invocation, chosen: Sequence[Chosen], message: Json) -> Json:
        """What may go to the upstream of `message`, which answers a question of its. Raises `Blocked`."""
        content = Carried(call, message, self._permits, came=False)
        return _left(await self._gate.check(Hook.PRE_INVOKE, chosen, content, call.call.trail))

    async def came(self, call: Invocation, chosen: Sequence[Chosen], message: Json) -> tuple[Json, Judgement | None]:
        """What may go to the client of `message`, which came from the upstream, and the last judgement that changed it.

        Raises `Blocked`.
        """
        content = Carried(call, message, self._permits, came=True)
        checked = await self._gate.check(Hook.POST_INVOKE, chosen, content, call.call.trail)
        return _left(checked), checked.changed


def message_of(checked: Checked) -> Carried:
    """The content of a check of one of our own messages."""
    assert isinstance(checked.content, Carried)  # a rewriting is made by what it rewrites
    return checked.content


def _left(checked: Checked) -> Json:
    return message_of(checked).message


_NOTHING: Final = Asked()


def _asked(call: Invocation) -> Asked:
    told = call.call
    names = [f"{call.upstream}/{call.target}", f"{call.upstream}:{call.target}", call.target]
    if call.kind is Kind.TOOL and call.tool is not None:
        names += [call.tool.name, f"{told.server}:{call.tool.name}"]
    return Asked(told.server, names, subjects=subjects_of(told.principal), metadata=told.metadata)
