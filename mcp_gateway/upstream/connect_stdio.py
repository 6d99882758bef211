"""The connector for upstreams that are child processes: one process for each conversation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mcp_gateway.upstream.channel_open import DiedOnProbe, open_channel
from mcp_gateway.upstream.connect import EraMemory, Hello, until
from mcp_gateway.upstream.process import Command
from mcp_gateway.upstream.spec import Reach, StdioSpec
from mcp_gateway.upstream.stdio import spawn
from mcp_gateway.upstream.wire import Conversation


class StdioConnector:
    """Starts the command anew for every conversation. A server that dies of the probe is remembered for it."""

    def __init__(self, name: str, spec: StdioSpec, *, base_dir: Path, reach: Reach) -> None:
        """A relative `cwd` is relative to `base_dir`."""
        self._name = name
        self._spec = spec
        self._max_message = reach.response
        self._command = Command(tuple(spec.command), cwd=str(base_dir / spec.cwd), env=spec.env)
        self._memory = EraMemory(spec.protocol)

    @property
    def kind(self) -> str:
        return "stdio"

    async def connect(self, hello: Hello) -> Conversation:
        return await self._memory.begin(partial(self._attempt, hello))

    def forget(self) -> None:
        self._memory.forget()

    async def close(self) -> None:
        """Nothing is shared: each process ends with its conversation."""

    async def _attempt(self, hello: Hello, protocol: str) -> tuple[Conversation, str]:
        try:
            conversation = await self._start(hello, protocol)
        except DiedOnProbe as died:
            conversation = await self._start(hello, died.retry_with)
        return conversation, conversation.version

    async def _start(self, hello: Hello, protocol: str) -> Conversation:
        deadline = until(self._spec.connect_timeout)
        duplex = await spawn(self._command, upstream=self._name, max_message=self._max_message)
        return await open_channel(
            duplex,
            protocol=protocol,
            capabilities=hello.capabilities,
            client_info=hello.client_info,
            on_event=hello.on_event,
            deadline=deadline,
            on_lost=hello.on_lost,
            upstream=self._name,
        )
