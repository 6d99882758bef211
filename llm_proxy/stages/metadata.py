"""The stage that settles the metadata of a request, once for all who read it further on."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol

from llm_proxy.asking import Ask, Reply
from mcp_gateway.core.call import Trail
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.principal import Principal


class Settle(Protocol):
    """The contract at work; `envelopes.safety.metadata.require.RequireMetadata.settle` is the real one."""

    def __call__(
        self, where: str, headers: Mapping[str, tuple[str, ...]], meta: object, principal: Principal, trail: Trail
    ) -> Mapping[str, str]:
        """The metadata of a request. Raises `MetadataRequired`."""
        ...


class RequireMetadata:
    """Puts the metadata of a request on it, and refuses what breaks the contract. Raises `MetadataRequired`."""

    __slots__ = ("_settle",)

    def __init__(self, settle: Settle) -> None:
        self._settle = settle

    def __call__(self, call: Ask, call_next: Handler[Ask, Reply]) -> Awaitable[Reply]:
        values = self._settle(call.dialect.wire, call.headers, None, call.principal, call.trail)
        return call_next(call._replace(metadata=values) if values else call)
