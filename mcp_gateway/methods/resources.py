"""resources/read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mcp_gateway.calls.kinds import Invocation, Kind, ResourceBinding, Result, TemplateBinding
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import UnknownResource
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.methods.invocation import make, text

Resolve = Callable[[str], ResourceBinding | TemplateBinding | None]
"""Finds who serves a URI: a listed resource, or the template it is an expansion of."""


class ReadResource:
    """Finds the source of the URI and hands the call to the inner pipeline."""

    __slots__ = ("_inner", "_resolve")

    def __init__(self, resolve: Resolve, inner: Handler[Invocation, Result]) -> None:
        self._resolve = resolve
        self._inner = inner

    def __call__(self, call: Call) -> Awaitable[Result]:
        uri = text(call.params, "uri")
        source = self._resolve(uri)
        if source is None:
            raise UnknownResource("Resource not found", uri=uri)
        return self._inner(make(call, Kind.RESOURCE, upstream=source.upstream, target=uri, changes={}))
