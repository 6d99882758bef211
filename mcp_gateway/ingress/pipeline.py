"""THE OUTER LIST: what every request of the MCP plane passes before its method is looked at."""

from __future__ import annotations

from mcp_gateway.core.call import Call
from mcp_gateway.core.pipeline import Handler, Stage, compose
from mcp_gateway.envelopes.observability.observe import Observe
from mcp_gateway.envelopes.observability.record import Audit, Trace
from mcp_gateway.envelopes.policy.deadline import Deadline
from mcp_gateway.envelopes.safety.metadata.require import RequireMetadata
from mcp_gateway.ingress.dispatch import Dispatch, Result


def outer(
    *,
    observe: Observe | None = None,
    trace: Trace | None,
    audit: Audit,
    require_metadata: RequireMetadata,
    dispatch: Dispatch,
) -> Handler[Call, Result]:
    """The outer pipeline, in the order in which a request meets it.

    Spans and measures, trace and audit are outermost, so that refusals, deadlines and unknown methods are recorded too.
    Metadata is settled inside those and before anything is looked up: limits, policies and bound arguments read it, and
    a refusal for want of it says nothing of what there is. It is there without a contract as well, since limits may
    count by what callers say.
    """
    watching: list[Stage[Call, Result]] = [*([observe] if observe else []), *([trace] if trace else []), audit]
    stages: list[Stage[Call, Result]] = [*watching, Deadline(), require_metadata]
    return compose(stages, dispatch)
