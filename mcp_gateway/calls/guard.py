"""Guardrails around a call: what goes to the upstream before it goes, what came back before anybody sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial

from mcp_gateway.calls.fits import Fits
from mcp_gateway.calls.guard_link import GuardedLink
from mcp_gateway.calls.guarding import Guarding, message_of
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Rejected
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted
from mcp_gateway.envelopes.safety.gate import refusal
from mcp_gateway.envelopes.safety.rules import Chosen
from mcp_gateway.envelopes.safety.verdict import Hook


class Guard:
    """Lets a permitted call on, and its result back, as far as guardrails have nothing against it.

    Arguments that were rewritten are another call: they must fit the tool and go through the door again. Raises
    `Blocked`, `Invalid` for a header that names what does not exist, and what the door raises.
    """

    __slots__ = ("_authorize", "_fits", "_guarding")

    def __init__(self, guarding: Guarding, authorize: Authorize[Invocation], fits: Fits) -> None:
        self._guarding = guarding
        self._authorize = authorize
        self._fits = fits

    def __call__(
        self, call: Permitted[Invocation], call_next: Handler[Permitted[Invocation], Result]
    ) -> Awaitable[Result]:
        link = call.call.call.link
        if isinstance(link, GuardedLink) and link.carried_by is call.call:
            before, after = link.chosen
        elif self._guarding.concerns(call.call):
            before, after = self._guarding.chosen(call.call)
        else:
            return call_next(call)
        back = partial(self._back, after, call_next) if after else call_next
        return self._there(call, before, back) if before else back(call)

    async def _there(
        self, call: Permitted[Invocation], chosen: Sequence[Chosen], back: Handler[Permitted[Invocation], Result]
    ) -> Result:
        checked = await self._guarding.going(call.call, chosen)
        if checked.changed is None:
            return await back(call)
        left = message_of(checked).call
        if not self._fits.arguments(left):
            why = ": what it left of the arguments does not fit the tool"
            raise refusal(Hook.PRE_INVOKE, chosen, checked.changed, why)
        return await self._authorize(left, back)

    async def _back(
        self,
        chosen: Sequence[Chosen],
        call_next: Handler[Permitted[Invocation], Result],
        call: Permitted[Invocation],
    ) -> Result:
        try:
            result = await call_next(call)
        except Rejected as rejected:
            raise await self._rejected(call.call, chosen, rejected) from rejected
        left, changed = await self._guarding.came(call.call, chosen, result)
        if changed is not None and not self._fits.result(call.call, left):
            why = ": what it left of the result does not fit the tool's schema"
            raise refusal(Hook.POST_INVOKE, chosen, changed, why)
        return left

    async def _rejected(self, call: Invocation, chosen: Sequence[Chosen], rejected: Rejected) -> Rejected:
        """The upstream's error as far as it may be shown. Raises `Blocked`."""
        told = {"message": rejected.message, **({"data": rejected.data} if rejected.has_data else {})}
        left, changed = await self._guarding.came(call, chosen, told)
        if changed is None:
            return rejected
        shown = Rejected(
            rejected.code,
            str(left.get("message", "")),
            left.get("data"),
            has_data=rejected.has_data,
            status=rejected.status,
            upstream=rejected.upstream,
        )
        shown.retry_after = rejected.retry_after
        return shown
