"""Which handler answers a method."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import UnknownMethod
from mcp_gateway.core.pipeline import Handler

Result = dict[str, Any]


class Dispatch:
    """The terminal of the outer list: one dict look-up per era, deny by default."""

    __slots__ = ("_handshake", "_modern")

    def __init__(
        self, modern: Mapping[str, Handler[Call, Result]], handshake: Mapping[str, Handler[Call, Result]]
    ) -> None:
        self._modern = modern
        self._handshake = handshake

    def __call__(self, call: Call) -> Awaitable[Result]:
        handler = (self._modern if call.client.modern else self._handshake).get(call.method)
        if handler is None:
            raise UnknownMethod("Method not found", pointer="/method")
        return handler(call)
