"""resources/read."""

from __future__ import annotations

from collections.abc import Awaitable

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import UnknownResource
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.methods.invocation import make, text
from mcp_gateway.methods.offer import Offer


class ReadResource:
    """Finds the source of the URI and hands the call to the inner pipeline."""

    __slots__ = ("_inner", "_offer")

    def __init__(self, offer: Offer, inner: Handler[Invocation, Result]) -> None:
        self._offer = offer
        self._inner = inner

    def __call__(self, call: Call) -> Awaitable[Result]:
        uri = text(call.params, "uri")
        source = self._offer.resource(uri, call)
        if source is None:
            raise UnknownResource("Resource not found", uri=uri)
        return self._inner(make(call, Kind.RESOURCE, upstream=source.upstream, target=uri, changes={}))
