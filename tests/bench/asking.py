"""The requests of the load, as bytes with a mark where each one's number goes, and the judge of their answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from tests.bench.payloads import arguments, result
from tests.bench.sites import HANDSHAKE, META, MODERN, Era, Site
from tests.bench.wire import EVENT_STREAM, HttpMessage, events

Method = Literal["tools/call", "tools/list"]

MARK: Final = b"\0number\0"
FIRST_NUMBER: Final = 10_000_000
"""Numbers have eight digits, so that all requests of a kind have one length."""

_STAND_IN: Final = 99_999_999


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, in which era, and what they ask of which site."""

    port: int
    path: str
    era: Era
    site: Site
    method: Method = "tools/call"
    token: str = field(default="", repr=False)

    @property
    def progress(self) -> bool:
        """Whether calls ask for progress, as they do where the upstream streams."""
        return self.site.shape == "sse"

    @property
    def tool(self) -> str:
        return self.site.tool_names[7]


def template(target: Target, session: bytes = b"") -> bytes:
    """One request of the measured kind, with `MARK` for its number: its id, its argument and its progress token."""
    params: dict[str, Any] = {}
    if target.method == "tools/call":
        params = {"name": target.tool, "arguments": arguments(target.site, str(_STAND_IN))}
    meta: dict[str, Any] = dict(META) if target.era == "new" else {}
    if target.progress:
        meta["progressToken"] = _STAND_IN
    if meta:
        params["_meta"] = meta
    message = {"jsonrpc": "2.0", "id": _STAND_IN, "method": target.method, "params": params}
    return post(target, message, session).replace(b"%d" % _STAND_IN, MARK)


def post(target: Target, message: dict[str, Any], session: bytes = b"") -> bytes:
    """A request that posts `message`, with the headers that clients of the era send."""
    body = orjson.dumps(message)
    fields = [
        f"POST {target.path} HTTP/1.1",
        f"host: 127.0.0.1:{target.port}",
        "accept: application/json, text/event-stream",
        "content-type: application/json",
        "user-agent: bench",
    ]
    if target.token:
        fields.append(f"authorization: Bearer {target.token}")
    if target.era == "new":
        fields += [f"mcp-protocol-version: {MODERN}", f"mcp-method: {message['method']}"]
        if message["method"] == "tools/call":
            fields.append(f"mcp-name: {message['params']['name']}")
    elif session:
        fields += [f"mcp-protocol-version: {HANDSHAKE}", f"mcp-session-id: {session.decode()}"]
    fields.append(f"content-length: {len(body)}")
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + body


def delete(target: Target, session: bytes) -> bytes:
    """A request that ends a session."""
    fields = f"host: 127.0.0.1:{target.port}\r\nmcp-protocol-version: {HANDSHAKE}\r\nmcp-session-id: {session.decode()}"
    if target.token:
        fields += f"\r\nauthorization: Bearer {target.token}"
    return f"DELETE {target.path} HTTP/1.1\r\n{fields}\r\n\r\n".encode()


def initialize() -> dict[str, Any]:
    """The message that begins a handshake-era session."""
    params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1.0.0"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


class Judging:
    """Says what is wrong with an answer. What equals an answer that was parsed and found good, but for its number, is
    good; everything else is parsed."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known = b""

    def __call__(self, message: HttpMessage, number: bytes) -> str | None:
        """None for the right answer to request `number`."""
        if message.head[9:12] != b"200":
            return f"HTTP {message.status} to request {number.decode()}: {message.body[:300]!r}"
        if message.body == self._known.replace(MARK, number):
            return None
        try:
            problem = self._judge(message, int(number))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            problem = f"{type(error).__name__} {error}"
        if problem is None:
            self._known = message.body.replace(number, MARK)
            return None
        return f"{problem}, in the answer to request {number.decode()}: {message.body[:300]!r}"

    def _judge(self, message: HttpMessage, number: int) -> str | None:
        """None for the right answer. May raise what reading a wrong one raises."""
        raise NotImplementedError


class Judge(Judging):
    """The judge of what MCP servers answer."""

    __slots__ = ("_target",)

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def _judge(self, message: HttpMessage, number: int) -> str | None:
        streamed = EVENT_STREAM in message.fields
        if streamed and not message.body.endswith((b"\n\n", b"\r\n\r\n")):
            return "an event that was not ended"
        *before, answer = [orjson.loads(one) for one in (events(message.body) if streamed else [message.body])]
        if answer["id"] != number or answer.get("jsonrpc") != "2.0":
            return "another request's answer"
        if self._target.method == "tools/list":
            return self._judge_list(answer["result"])
        wanted = result(self._target.site, str(number))
        if any(answer["result"].get(key) != value for key, value in wanted.items()):
            return "another result"
        tokens = [one["params"]["progressToken"] for one in before if one["method"] == "notifications/progress"]
        if tokens != ([number] if self._target.progress else []):
            return "not one notification of its own progress"
        return None

    def _judge_list(self, listed: dict[str, Any]) -> str | None:
        names = sorted(tool["name"] for tool in listed["tools"])
        if names != self._target.site.tool_names or not all("inputSchema" in tool for tool in listed["tools"]):
            return "not all tools"
        return None
