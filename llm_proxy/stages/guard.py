"""Guardrails around a request to a model: what goes to a provider, and what came back before anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial

from llm_proxy.asking import Ask, Reply
from llm_proxy.completion.dialect import completes
from llm_proxy.guarding.content import Carried, Permits, body_of
from llm_proxy.guarding.screens import GuardScreens
from llm_proxy.guarding.withheld import Withheld
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import subjects_of
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted
from mcp_gateway.envelopes.safety.engine import Engine
from mcp_gateway.envelopes.safety.examine_policy import ExaminePolicy
from mcp_gateway.envelopes.safety.gate import Gate
from mcp_gateway.envelopes.safety.guard import Guard as Guardrail
from mcp_gateway.envelopes.safety.off_loop import OffLoop
from mcp_gateway.envelopes.safety.rules import Asked, Chosen, Rulebook
from mcp_gateway.envelopes.safety.verdict import LLM_HOOKS, Hook

Next = Handler[Permitted[Ask], Reply]


class Guard:
    """Lets a permitted request on, and its answer back, as far as guardrails have nothing against it.

    What rewrites is done before the provider is asked. With `parallel`, what only refuses looks at the request while
    the provider answers, and nothing of the answer leaves before. A request that was changed goes through the door
    again. Raises `Blocked`, `Invalid` for a header that names what does not exist, and what the door raises.
    """

    __slots__ = ("_authorize", "_gate", "_parallel", "_permits")

    def __init__(
        self, rules: Rulebook, engine: Engine, authorize: Authorize[Ask], permits: Permits, *, parallel: bool
    ) -> None:
        self._gate = Gate(rules, engine, LLM_HOOKS)
        self._authorize = authorize
        self._permits = permits
        self._parallel = parallel

    def __call__(self, call: Permitted[Ask], call_next: Next) -> Awaitable[Reply]:
        ask = call.call
        if not self._gate.concerns(ask.headers):
            return call_next(call)
        asked = Asked(model=ask.asked.model, subjects=subjects_of(ask.principal), metadata=ask.metadata)
        before, after = self._gate.chosen(asked, ask.headers)
        if not completes(ask.dialect):
            after = ()  # vectors say nothing
        return self._guarded(call, before, after, call_next) if before or after else call_next(call)

    async def _guarded(
        self, call: Permitted[Ask], before: Sequence[Chosen], after: Sequence[Chosen], call_next: Next
    ) -> Reply:
        ask = call.call
        content = Carried(ask, ask.body, self._permits, came=False)
        beside = [each for each in before if self._parallel and _waits(each.guard, content)]
        first = [each for each in before if each not in beside]
        if first:
            checked = await self._gate.check(Hook.LLM_INPUT, first, content, ask.trail)
            if checked.changed is not None:
                ask = ask._replace(body=body_of(checked))
        back = call_next
        if after and ask.asked.stream:
            ask = ask._replace(screens=GuardScreens(self._gate, after, ask, self._permits))
        elif after:
            back = partial(self._back, after, call_next)
        return await (self._beside(call, ask, content, beside, back) if beside else self._on(call, ask, back))

    def _on(self, call: Permitted[Ask], ask: Ask, call_next: Next) -> Awaitable[Reply]:
        return call_next(call) if ask is call.call else self._authorize(ask, call_next)

    async def _beside(
        self, call: Permitted[Ask], ask: Ask, content: Carried, beside: Sequence[Chosen], call_next: Next
    ) -> Reply:
        """The answer, asked for while `beside` look at `content`, the request as it came."""
        withheld = Withheld(ask.out)
        if ask.asked.stream:
            ask = ask._replace(out=withheld)
        answering = asyncio.ensure_future(_awaited(partial(self._on, call, ask, call_next)))
        try:
            await self._gate.check(Hook.LLM_INPUT, beside, content, ask.trail)
            withheld.open()
            return await answering
        finally:
            if not answering.done():
                answering.cancel()
            # What was under way is settled before anything else happens to the request.
            await asyncio.gather(answering, return_exceptions=True)

    async def _back(self, chosen: Sequence[Chosen], call_next: Next, call: Permitted[Ask]) -> Reply:
        reply = await call_next(call)
        if reply.body is None:
            return reply
        ask = call.call
        content = Carried(ask, reply.body, self._permits, came=True)
        checked = await self._gate.check(Hook.LLM_OUTPUT, chosen, content, ask.trail)
        return reply if checked.changed is None else Reply(body_of(checked))


def _waits(guard: Guardrail, content: Carried) -> bool:
    """Whether it only refuses, and something else can be done while it looks. What does not wait is done first."""
    if guard.rewrites or isinstance(guard.examine, ExaminePolicy):
        return False
    return guard.examine.waits(content) if isinstance(guard.examine, OffLoop) else True


async def _awaited(answer: partial[Awaitable[Reply]]) -> Reply:
    return await answer()
