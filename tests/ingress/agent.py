"""A client of the handshake era, by hand: one session on the rig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.ingress.asgi import Exchange, scope
from tests.ingress.rig import BOTH, Rig

HEADERS = (("content-type", "application/json"), ("accept", BOTH))


class Agent:
    """Sends what one handshake-era client sends; `token` is the session id once there is one."""

    def __init__(
        self,
        rig: Rig,
        version: str = "2025-11-25",
        *,
        capabilities: Mapping[str, Any] | None = None,
        server: str = "desk",
        user: str | None = None,
    ) -> None:
        self.rig = rig
        self.version = version
        self.capabilities = dict(capabilities or {})
        self.server = server
        self.user = user
        self.token: str | None = None

    def headers(self, **extra: str) -> dict[str, str]:
        headers = dict(HEADERS)
        if self.token is not None:
            headers |= {"mcp-session-id": self.token, "mcp-protocol-version": self.version}
        if self.user is not None:
            headers["x-user"] = self.user
        return {**headers, **{name.replace("_", "-"): value for name, value in extra.items()}}

    async def open(self) -> dict[str, Any]:
        """`initialize`, then `notifications/initialized`; the result of the former."""
        info = {"name": "agent", "version": "1"}
        params = {"protocolVersion": self.version, "capabilities": self.capabilities, "clientInfo": info}
        exchange = self.request("initialize", params, id=0)
        result = await exchange.result()
        assert exchange.status == 200
        self.token = exchange.header("mcp-session-id")
        assert self.token
        self.version = result["protocolVersion"]
        accepted = await self.notify("notifications/initialized").done()
        assert (accepted.status, accepted.body) == (202, b"")
        return result

    def post(self, message: object, *, extension: bool = True, slow: bool = False, **extra: str) -> Exchange:
        return self.rig.post(message, self.headers(**extra), server=self.server, extension=extension, slow=slow)

    def request(
        self, method: str, params: Mapping[str, Any] | None = None, *, id: object = 1, **options: Any
    ) -> Exchange:
        return self.post({"jsonrpc": "2.0", "id": id, "method": method, "params": dict(params or {})}, **options)

    def call(self, name: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> Exchange:
        return self.request("tools/call", {"name": name, "arguments": dict(arguments or {})}, **options)

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> Exchange:
        return self.post({"jsonrpc": "2.0", "method": method, "params": dict(params or {})})

    def answer(self, id: object, result: Mapping[str, Any]) -> Exchange:
        return self.post({"jsonrpc": "2.0", "id": id, "result": dict(result)})

    def get(self, last: str | None = None, *, extension: bool = True) -> Exchange:
        extra = {} if last is None else {"last_event_id": last}
        return self._bare("GET", extension, **extra)

    def delete(self) -> Exchange:
        return self._bare("DELETE", True)

    def _bare(self, method: str, extension: bool, **extra: str) -> Exchange:
        headers = self.headers(accept="text/event-stream", **extra)
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        return self.rig.send(scope(method, f"/servers/{self.server}/mcp", lines), extension=extension)


async def opened(rig: Rig, version: str = "2025-11-25", **options: Any) -> Agent:
    """An agent whose session is open."""
    agent = Agent(rig, version, **options)
    await agent.open()
    return agent
