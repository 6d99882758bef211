"""THE INNER LIST: what an invocation passes on its way to an upstream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mcp_gateway.calls.charge import ChargeCalls
from mcp_gateway.calls.connect import AskToConnect
from mcp_gateway.calls.enter import EnterCalls
from mcp_gateway.calls.guard import Guard
from mcp_gateway.calls.guard_link import GuardLink
from mcp_gateway.calls.intend import RecordIntent
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.scopes import RequireScopes
from mcp_gateway.calls.state import SealState
from mcp_gateway.calls.unguarded import RefuseGuardrails
from mcp_gateway.calls.validate import ValidateArguments
from mcp_gateway.core.pipeline import Handler, Stage, compose
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted
from mcp_gateway.envelopes.policy.breaker import Breaker
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls

Invoke = Callable[[Permitted[Invocation]], Awaitable[Result]]
"""The terminal: carries out what was permitted, at the upstream."""


def inner(
    *,
    require_scopes: RequireScopes | None = None,
    limit_calls: LimitCalls[Invocation, Result] | None = None,
    ask_to_connect: AskToConnect | None = None,
    seal_state: SealState,
    guard_link: GuardLink | None = None,
    authorize: Authorize[Invocation],
    guard: Guard | None = None,
    server_places: Bulkhead[Invocation, Result] | None = None,
    breaker: Breaker[Invocation, Result],
    bulkhead: Bulkhead[Invocation, Result],
    record_intent: RecordIntent | None = None,
    charge_calls: ChargeCalls | None = None,
    enter_calls: EnterCalls | None = None,
    invoke: Invoke,
) -> Handler[Invocation, Result]:
    """The inner pipeline, in the order in which an invocation meets it.

    Scopes come first: nothing is worth doing for a caller who has to come back with another token. Limits
    come next, before all that costs: what is refused further on is counted too, so that probing for what is allowed
    uses up a caller's calls. A tool that the caller may not see was never found, and no limit speaks of it. A missing
    account is asked for around all the rest: what it adds to the answer is the gateway's own and no upstream's
    state, and the retry has to look like the call that it repeats before anything else reads it. State is opened
    next, while the arguments are still those of the client, to which it is bound.
    Arguments are validated before the door: a policy engine skips a policy that errors on a wrong type.
    The door comes before anything that costs: what a refused caller sends is not looked at by guardrails either. The
    way back to the client is guarded before the door, because nothing of what was permitted is exchanged behind it.
    Guardrails stand right behind the door, and go through it again with arguments that they rewrote. The virtual
    server's own places come next: whoever waits for one must hold nothing that other virtual servers share, neither a
    place of the upstream nor the breaker's one probe. The breaker stands before the bulkhead, so that calls to a dead
    upstream do not take its places. The intent is recorded next, before anything is spent or done: where it cannot be,
    nothing was. Budgets come last, when nothing but the call itself is left: whatever refuses further out costs
    nothing, and who waits for a place holds no money back that others could spend meanwhile. The ledger has what was
    made, and so stands innermost.
    """
    asking: list[Stage[Invocation, Result]] = [] if ask_to_connect is None else [ask_to_connect]
    scopes: list[Stage[Invocation, Result]] = [] if require_scopes is None else [require_scopes]
    limits: list[Stage[Invocation, Result]] = [] if limit_calls is None else [limit_calls]
    guarded: Stage[Invocation, Result] = RefuseGuardrails() if guard_link is None else guard_link
    before: list[Stage[Invocation, Result]] = [*scopes, *limits, *asking, seal_state, ValidateArguments(), guarded]
    guards: list[Stage[Permitted[Invocation], Result]] = [] if guard is None else [guard]
    own: list[Stage[Permitted[Invocation], Result]] = [] if server_places is None else [server_places]
    entered: list[Stage[Permitted[Invocation], Result]] = [] if enter_calls is None else [enter_calls]
    intended: list[Stage[Permitted[Invocation], Result]] = [] if record_intent is None else [record_intent]
    charged: list[Stage[Permitted[Invocation], Result]] = [] if charge_calls is None else [charge_calls]
    behind: list[Stage[Permitted[Invocation], Result]] = [*guards, *own, breaker, bulkhead, *intended]
    paid: list[Stage[Permitted[Invocation], Result]] = [*charged, *entered]
    return compose(before, authorize.guarding(compose([*behind, *paid], invoke)))
