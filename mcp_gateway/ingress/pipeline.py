"""THE OUTER LIST: what every request of the MCP plane passes before its method is looked at."""

from __future__ import annotations

from mcp_gateway.core.call import Call
from mcp_gateway.core.pipeline import Handler, Stage, compose
from mcp_gateway.envelopes.observability.record import Audit, Trace
from mcp_gateway.envelopes.policy.deadline import Deadline
from mcp_gateway.ingress.dispatch import Dispatch, Result


def outer(*, trace: Trace | None, audit: Audit, dispatch: Dispatch) -> Handler[Call, Result]:
    """The outer pipeline, in the order in which a request meets it.

    Trace and audit are outermost, so that refusals, deadlines and unknown methods are recorded too.
    """
    stages: list[Stage[Call, Result]] = [*([trace] if trace else []), audit, Deadline()]
    return compose(stages, dispatch)
