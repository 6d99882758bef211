"""From a request to what an upstream will be asked."""

from __future__ import annotations

from typing import Any, Final

from mcp_gateway.calls.kinds import Invocation, Kind, ToolBinding
from mcp_gateway.core.call import Call, Json
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.lookalike import folded, lookalike
from mcp_gateway.core.metadata import META_KEY
from mcp_gateway.envelopes.observability.traces.context import BAGGAGE

_HOP_PREFIX: Final = "io.modelcontextprotocol/"
_PARAMS: Final = frozenset(
    {"name", "arguments", "uri", "ref", "argument", "context", "inputResponses", "requestState", "task", "_meta"}
)
_FOLDED: Final = frozenset(map(folded, _PARAMS))
_OURS: Final = frozenset({"progressToken", META_KEY, BAGGAGE})
"""Of this hop: whose progress is asked for, what is said to this gateway, what goes on only where that is wanted."""


def make(
    call: Call, kind: Kind, *, upstream: str, target: str, changes: Json, tool: ToolBinding | None = None
) -> Invocation:
    """The invocation of `target` at `upstream`: the client's params with `changes`, without what belongs to the hop.

    Raises `Invalid` for params of which another reader could take one for another.
    """
    names = call.params.keys()
    if not names <= _PARAMS and lookalike(names - _PARAMS, _PARAMS, _FOLDED) is not None:
        raise Invalid("params have a key that differs from one of the protocol's in case only", pointer="/params")
    params = {**call.params, **changes}
    meta = params.pop("_meta", None)
    notes = call.trail.notes
    notes["upstream"] = upstream
    notes["target"] = target
    return Invocation(
        call=call,
        kind=kind,
        upstream=upstream,
        target=target,
        params=params,
        meta={} if meta is None else _of_the_caller(meta),
        tool=tool,
    )


def _of_the_caller(meta: Any) -> Json:
    if not isinstance(meta, dict):
        raise Invalid("_meta must be an object", pointer="/params/_meta")
    return {key: value for key, value in meta.items() if not key.startswith(_HOP_PREFIX) and key not in _OURS}


def text(params: Json, key: str) -> str:
    """The string under `key`; raises `Invalid` where there is none."""
    value = params.get(key)
    if not isinstance(value, str):
        raise Invalid(f"{key} must be a string", pointer=f"/params/{key}")
    return value
