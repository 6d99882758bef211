"""The connector for streamable HTTP and HTTP+SSE upstreams."""

from __future__ import annotations

import ssl
from functools import partial
from typing import Final

from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.limits import ResponseLimits
from mcp_gateway.core.egress.origin import parse_url
from mcp_gateway.core.errors import Rejected, Unreachable
from mcp_gateway.upstream import sse_channel
from mcp_gateway.upstream.channel_open import open_channel
from mcp_gateway.upstream.connect import PATIENCE, EraMemory, Hello, until
from mcp_gateway.upstream.headers import carried_fields
from mcp_gateway.upstream.negotiate import AUTO, Endpoint, connect
from mcp_gateway.upstream.spec import HttpSpec, Reach
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN, Conversation

_SSE_ONLY: Final = "2024-11-05"
_STREAMS: Final = 512
"""Connections beyond those of calls: event streams, one for each session at most, and what is told in passing."""


class HttpConnector:
    """All conversations share one pool of connections; what separates them are headers and session ids."""

    def __init__(self, name: str, spec: HttpSpec, *, tls: ssl.SSLContext | None, reach: Reach) -> None:
        """Call it inside the running loop. `tls` is needed for https."""
        self._name = name
        self._spec = spec
        self._origin, self._target = parse_url(spec.url)
        self._client = HttpClient(
            self._origin,
            guard=AddressGuard(AddressPolicy.operator(reach.allowed)),
            tls=tls,
            connect_timeout=spec.connect_timeout,
            max_connections=spec.max_concurrency + _STREAMS,
            limits=ResponseLimits(body_bytes=reach.response),
        )
        self._memory = EraMemory(spec.protocol)
        self._over_sse = spec.transport == "sse"

    @property
    def kind(self) -> str:
        return "sse" if self._over_sse else "http"

    async def connect(self, hello: Hello) -> Conversation:
        try:
            return await self._memory.begin(partial(self._attempt, hello))
        except Refused as error:
            raise Refused(
                error.code,
                f"the upstream refused the connection with HTTP {error.status}",
                status=error.status,
                challenge=error.challenge,
                retry_after=error.retry_after,
            ) from None
        except Rejected as error:
            raise Unreachable(f"the upstream refused the connection with error {error.code}", sent=False) from None

    def forget(self) -> None:
        self._memory.forget()

    async def close(self) -> None:
        await self._client.close()

    async def _attempt(self, hello: Hello, protocol: str) -> tuple[Conversation, str]:
        deadline = until(self._spec.connect_timeout * PATIENCE)
        if self._spec.transport == "sse":
            version = HANDSHAKE[0] if protocol in (AUTO, MODERN) else protocol
            conversation = await self._open_sse(hello, version, deadline)
            return conversation, conversation.version
        over_sse = False

        async def fallback(deadline: float) -> Conversation:
            nonlocal over_sse
            over_sse = True
            return await self._open_sse(hello, HANDSHAKE[0], deadline)

        conversation = await connect(
            Endpoint(
                client=self._client,
                target=self._target,
                on_event=hello.on_event,
                protocol=protocol,
                capabilities=hello.capabilities,
                client_info=hello.client_info,
                headers=hello.headers,
                open_sse=fallback,
            ),
            deadline,
        )
        self._over_sse = over_sse
        return conversation, _SSE_ONLY if over_sse else conversation.version

    async def _open_sse(self, hello: Hello, version: str, deadline: float) -> Conversation:
        headers = tuple(carried_fields(hello.headers))
        duplex = await sse_channel.connect(
            self._client,
            self._spec.url,
            deadline=deadline,
            headers=headers,
            upstream=self._name,
            max_message=self._client.limits.body_bytes,
        )
        return await open_channel(
            duplex,
            protocol=version,
            capabilities=hello.capabilities,
            client_info=hello.client_info,
            on_event=hello.on_event,
            deadline=deadline,
            on_lost=hello.on_lost,
            upstream=self._name,
        )
