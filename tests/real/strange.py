"""An MCP server without an SDK, in either era, whose answers hold what no schema names; it keeps what it was sent."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
INFO = {"name": "strange", "version": "1", "unheardOf": True}

TOOL: dict[str, Any] = {
    "name": "wonder",
    "description": "Has fields of tomorrow",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "x-vendor": 1}}, "x-order": ["z", "a"]},
    "futureField": {"deep": [1, None]},
    "_meta": {"vendor.example/key": "kept"},
}
RESULT: dict[str, Any] = {
    "content": [
        {"type": "text", "text": "known", "strange": 0.1},
        {"type": "hologram", "beams": [{"angle": 90}], "note": None},
    ],
    "structuredContent": {"big": 12345678901234567890, "nothing": None, "unicode": "né\u2028"},
    "oddity": {"x": [1.0, 1e-9]},
    "_meta": {"vendor.example/trace": "kept"},
}


class Strange(ThreadingHTTPServer):
    """`asked` are the bodies of all requests, in order."""

    daemon_threads = True

    def __init__(self, *, modern: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.modern = modern
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"

    def calls(self) -> list[dict[str, Any]]:
        return [body["params"] for body in self.asked if body.get("method") == "tools/call"]

    def answer(self, method: str) -> dict[str, Any] | None:
        """The result of a method; None where this era does not have it."""
        if method == "tools/call":
            return RESULT | ({"resultType": "complete"} if self.modern else {})
        if method == "tools/list":
            hints = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"} if self.modern else {}
            return {"tools": [TOOL], **hints}
        if method == "server/discover" and self.modern:
            hello = {"supportedVersions": [MODERN], "ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
            return {**hello, "capabilities": {"tools": {}}, "_meta": {"io.modelcontextprotocol/serverInfo": INFO}}
        if method == "initialize" and not self.modern:
            return {"protocolVersion": HANDSHAKE, "capabilities": {"tools": {}}, "serverInfo": INFO}
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Strange

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        if "id" not in body:
            self._send(202, b"")
            return
        result = self.server.answer(body["method"])
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        if result is None:
            code = -32022 if self.server.modern and body["method"] == "initialize" else -32601
            answer["error"] = {"code": code, "message": "not here", "data": {"supported": [MODERN]}}
        else:
            answer["result"] = result
        self._send(200 if result is not None else 400, json.dumps(answer).encode())

    def do_GET(self) -> None:
        self._send(405, b"")

    do_DELETE = do_GET

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def strange(*, modern: bool) -> Iterator[Strange]:
    with Strange(modern=modern) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
