"""completion/complete."""

from __future__ import annotations

from collections.abc import Awaitable

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.core.call import Call, Json
from mcp_gateway.core.errors import Invalid, UnknownName
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.methods.invocation import make, text
from mcp_gateway.methods.offer import Offer


class Complete:
    """Finds the prompt or template that the reference names and asks its upstream."""

    __slots__ = ("_inner", "_offer")

    def __init__(self, offer: Offer, inner: Handler[Invocation, Result]) -> None:
        self._offer = offer
        self._inner = inner

    def __call__(self, call: Call) -> Awaitable[Result]:
        ref = call.params.get("ref")
        if not isinstance(ref, dict):
            raise Invalid("ref must be an object", pointer="/params/ref")
        if ref.get("type") == "ref/prompt":
            return self._inner(self._of_prompt(call, ref))
        if ref.get("type") == "ref/resource":
            return self._inner(self._of_resource(call, ref))
        raise Invalid("ref.type must be ref/prompt or ref/resource", pointer="/params/ref/type")

    def _of_prompt(self, call: Call, ref: Json) -> Invocation:
        name = text(ref, "name")
        prompt = self._offer.prompt(name, call)
        if prompt is None:
            raise UnknownName(f"Unknown prompt: {name[:64]}", pointer="/params/ref/name")
        changes = {"ref": {**ref, "name": prompt.upstream_name}}
        return make(call, Kind.COMPLETION, upstream=prompt.upstream, target=prompt.upstream_name, changes=changes)

    def _of_resource(self, call: Call, ref: Json) -> Invocation:
        uri = text(ref, "uri")
        source = self._offer.template(uri, call) or self._offer.resource(uri, call)
        if source is None:
            raise UnknownName("Unknown resource template", pointer="/params/ref/uri")
        return make(call, Kind.COMPLETION, upstream=source.upstream, target=uri, changes={})
