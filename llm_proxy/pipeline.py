"""THE LIST for requests to models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from llm_proxy.asking import Ask, Reply
from llm_proxy.stages.cache import CacheAnswers
from llm_proxy.stages.metadata import RequireMetadata
from llm_proxy.stages.observe import Observe
from mcp_gateway.core.pipeline import Handler, Stage, compose
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted
from mcp_gateway.envelopes.policy.deadline import Deadline
from mcp_gateway.envelopes.policy.limits.limit import LimitCalls

Answer = Callable[[Permitted[Ask]], Awaitable[Reply]]
"""The terminal: has a provider answer what was permitted."""


def pipeline(
    *,
    observe: Observe,
    require_metadata: RequireMetadata,
    limit_requests: LimitCalls[Ask, Reply] | None,
    authorize: Authorize[Ask],
    guard: Stage[Permitted[Ask], Reply] | None,
    cache: CacheAnswers | None,
    answer: Answer,
) -> Handler[Ask, Reply]:
    """The pipeline, in the order in which a request meets it.

    What happened is recorded, measured and traced outermost, refusals and deadlines too. Metadata is settled before
    anything reads it: limits, policies, routes and budgets do. Limits come before all that costs, so that probing for
    what is allowed uses up a caller's requests. The door comes before the guardrails: what a refused caller sends is
    not looked at. The cache stands behind the guardrails, which look at what was kept as at what is new.
    Routes are chosen behind all of these, and budgets are held back for each attempt when its target and so its price
    is known.
    """
    limits: list[Stage[Ask, Reply]] = [] if limit_requests is None else [limit_requests]
    guards: list[Stage[Permitted[Ask], Reply]] = [] if guard is None else [guard]
    cached: list[Stage[Permitted[Ask], Reply]] = [] if cache is None else [cache]
    return compose(
        [observe, Deadline(), require_metadata, *limits],
        authorize.guarding(compose([*guards, *cached], answer)),
    )
