"""THE OUTER LIST: what every request of the MCP plane passes before its method is looked at."""

from __future__ import annotations

from mcp_gateway.core.call import Call
from mcp_gateway.core.pipeline import Handler, Stage, compose
from mcp_gateway.envelopes.observability.observe import Observe
from mcp_gateway.envelopes.policy.deadline import Deadline
from mcp_gateway.envelopes.safety.metadata.require import RequireMetadata
from mcp_gateway.ingress.dispatch import Dispatch, Result


def outer(
    *,
    observe: Observe,
    require_metadata: RequireMetadata,
    dispatch: Dispatch,
) -> Handler[Call, Result]:
    """The outer pipeline, in the order in which a request meets it.

    What happened is recorded, measured and traced outermost, refusals, deadlines and unknown methods too.
    Metadata is settled inside that and before anything is looked up: limits, policies and bound arguments read it, and
    a refusal for want of it says nothing of what there is. It is there without a contract as well, since limits may
    count by what callers say.
    """
    stages: list[Stage[Call, Result]] = [observe, Deadline(), require_metadata]
    return compose(stages, dispatch)
