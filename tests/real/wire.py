"""A client of raw HTTP in either era: what the SDKs would hide or repair is seen as it is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
_META = "io.modelcontextprotocol/"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass(slots=True)
class Answer:
    """`message` is the final JSON-RPC message, `notices` are the notifications before it."""

    status: int
    message: dict[str, Any]
    notices: list[dict[str, Any]] = field(default_factory=list)

    @property
    def result(self) -> Any:
        assert "result" in self.message, self.message
        return self.message["result"]

    @property
    def code(self) -> int | None:
        """The error's code; None for a result."""
        return self.message["error"]["code"] if "error" in self.message else None


class Wire:
    """One client. In the handshake era `session` is its session's id, which another client may take over."""

    def __init__(self, http: httpx.AsyncClient, url: str, *, modern: bool, session: str = "") -> None:
        self.http = http
        self.url = url
        self.modern = modern
        self.session = session
        self._count = 0

    async def initialize(self) -> Any:
        """The handshake; keeps the session."""
        params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}
        response = await self.http.post(
            self.url, headers=self._headers("initialize", params), json=self._body("initialize", params)
        )
        self.session = response.headers["mcp-session-id"]
        await self.notify("notifications/initialized", {})
        return _final(response.text, response.headers["content-type"]).result

    async def notify(self, method: str, params: dict[str, Any]) -> int:
        body = {"jsonrpc": "2.0", "method": method, "params": params}
        return (await self.http.post(self.url, headers=self._headers(method, params), json=body)).status_code

    async def ask(self, method: str, params: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> Answer:
        """Send one request and read all of its answer."""
        async with self.open(method, params, meta) as response:
            await response.aread()
            answer = _final(response.text, response.headers.get("content-type", ""))
            answer.status = response.status_code
            return answer

    async def call(self, name: str, arguments: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> Answer:
        return await self.ask("tools/call", {"name": name, "arguments": arguments}, meta)

    @contextlib.asynccontextmanager
    async def open(
        self, method: str, params: Mapping[str, Any], meta: Mapping[str, Any] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The response as a stream; leaving the context closes it, read or not."""
        body = self._body(method, params, meta)
        async with self.http.stream("POST", self.url, headers=self._headers(method, params), json=body) as response:
            yield response

    def _body(self, method: str, params: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self._count += 1
        own = {f"{_META}protocolVersion": MODERN, f"{_META}clientCapabilities": {}} if self.modern else {}
        marked = {**params, "_meta": {**own, **(meta or {})}} if own or meta else params
        return {"jsonrpc": "2.0", "id": self._count, "method": method, "params": marked}

    def _headers(self, method: str, params: Mapping[str, Any]) -> dict[str, str]:
        headers = {"accept": "application/json, text/event-stream"}
        if self.session:
            headers |= {"mcp-session-id": self.session, "mcp-protocol-version": HANDSHAKE}
        if self.modern:
            headers |= {"mcp-protocol-version": MODERN, "mcp-method": method}
            if method in _NAMED:
                headers["mcp-name"] = str(params[_NAMED[method]])
        return headers


def events(text: str) -> list[dict[str, Any]]:
    """The JSON of every event of an event stream, keep-alive and priming events left out."""
    lines = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in lines if line]


def _final(text: str, kind: str) -> Answer:
    messages = events(text) if kind.startswith("text/event-stream") else [json.loads(text)]
    final = next(message for message in messages if "id" in message and "method" not in message)
    return Answer(200, final, [message for message in messages if "method" in message])
