"""THE INNER LIST: what an invocation passes on its way to an upstream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.state import SealState
from mcp_gateway.calls.validate import ValidateArguments
from mcp_gateway.core.pipeline import Handler, Stage, compose
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted
from mcp_gateway.envelopes.policy.breaker import Breaker
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead

Invoke = Callable[[Permitted[Invocation]], Awaitable[Result]]
"""The terminal: carries out what was permitted, at the upstream."""


def inner(
    *,
    seal_state: SealState,
    authorize: Authorize[Invocation],
    breaker: Breaker[Invocation, Result],
    bulkhead: Bulkhead[Invocation, Result],
    invoke: Invoke,
) -> Handler[Invocation, Result]:
    """The inner pipeline, in the order in which an invocation meets it.

    State is opened first, while the arguments are still those of the client, to which it is bound.
    Arguments are validated before the door: a policy engine skips a policy that errors on a wrong type.
    The door comes before anything that costs. The breaker stands before the bulkhead, so that calls to a
    dead upstream do not take its places.
    """
    before: list[Stage[Invocation, Result]] = [seal_state, ValidateArguments()]
    behind: list[Stage[Permitted[Invocation], Result]] = [breaker, bulkhead]
    return compose(before, authorize.guarding(compose(behind, invoke)))
