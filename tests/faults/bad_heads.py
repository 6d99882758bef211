"""Request heads that no endpoint may take: tables of (name, what goes over the wire, what is answered)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.faults.agents import header_value

MISMATCH, INVALID, VERSION = -32020, -32600, -32022


@dataclass(frozen=True, slots=True)
class Head:
    """A good call with some headers changed; None leaves one out. `{host}` stands for the gateway's authority."""

    name: str
    changes: Mapping[str, str | None]
    status: int = 400
    code: int = INVALID
    extra: str = ""
    """Lines put before the others."""


MEDIA = (
    Head("no Content-Type", {"Content-Type": None}, 415),
    Head("plain text", {"Content-Type": "text/plain"}, 415),
    Head("a media type that begins alike", {"Content-Type": "application/jsonp"}, 415),
    Head("a form", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
    Head("no Accept", {"Accept": None}, 406),
    Head("Accept without event streams", {"Accept": "application/json"}, 406),
    Head("Accept that declines JSON", {"Accept": "application/json;q=0, text/event-stream"}, 406),
)

ORIGINS = (
    Head("another Host", {"Host": "evil.example"}, 421),
    Head("the Host with another port", {"Host": "127.0.0.1:1"}, 421),
    Head("a Host with a path", {"Host": "{host}/health?a="}, 421),
    Head("a Host with a user", {"Host": "{host}@evil.example"}, 421),
    Head("a Host that continues", {"Host": "{host}.evil.example"}, 421),
    Head("no Host", {"Host": None}, 400),
    Head("two Hosts", {}, 400, extra="Host: evil.example\r\n"),
    Head("another Origin", {"Origin": "https://evil.example"}, 403),
    Head("Origin null", {"Origin": "null"}, 403),
    Head("an Origin that continues", {"Origin": "http://{host}.evil.example"}, 403),
    Head("the Origin with another scheme", {"Origin": "https://{host}"}, 403),
    Head("two Origins", {"Origin": "http://{host}"}, 400, extra="Origin: https://evil.example\r\n"),
)

ROUTING = (
    Head("no Mcp-Method", {"Mcp-Method": None}, code=MISMATCH),
    Head("another Mcp-Method", {"Mcp-Method": "tools/list"}, code=MISMATCH),
    Head("Mcp-Method in another case", {"Mcp-Method": "TOOLS/CALL"}, code=MISMATCH),
    Head("no Mcp-Name", {"Mcp-Name": None}, code=MISMATCH),
    Head("another Mcp-Name", {"Mcp-Name": "hang"}, code=MISMATCH),
    Head("Mcp-Name in another case", {"Mcp-Name": "Ok"}, code=MISMATCH),
    Head("another Mcp-Name, encoded", {"Mcp-Name": header_value("hang")}, code=MISMATCH),
    Head("Mcp-Name of broken base64", {"Mcp-Name": "=?base64?b%2B?="}, code=MISMATCH),
    Head("two Mcp-Names", {}, code=MISMATCH, extra="Mcp-Name: hang\r\n"),
    Head("two Mcp-Methods", {}, code=MISMATCH, extra="Mcp-Method: tools/list\r\n"),
    Head("two versions", {}, code=MISMATCH, extra="MCP-Protocol-Version: 2026-07-28\r\n"),
    Head("a version unlike the body's", {"MCP-Protocol-Version": "2027-01-01"}, code=MISMATCH),
    Head("a version of another alphabet", {"MCP-Protocol-Version": "２０２６"}, code=MISMATCH),
)
"""Of the modern era, whose headers must say what the body says."""

SESSIONS = (
    Head("no session", {"Mcp-Session-Id": None}),
    Head("a session of nobody", {"Mcp-Session-Id": "00000000-0000-0000-0000-000000000000"}, 404),
    Head("two sessions", {}, extra="Mcp-Session-Id: another\r\n"),
    Head("neither session nor version", {"Mcp-Session-Id": None, "MCP-Protocol-Version": None}),
)
"""Of the handshake era."""


@dataclass(frozen=True, slots=True)
class Target:
    """Another request target, or another method on the right one."""

    name: str
    target: str
    status: tuple[int, ...] = (400, 404)
    method: str = "POST"


RIGHT = "/servers/main/mcp"

TARGETS = (
    Target("another server", "/servers/other/mcp", (404,)),
    Target("no server", "/servers//mcp"),
    Target("a slash before", "/" + RIGHT),
    Target("a slash within", "/servers//main/mcp"),
    Target("a slash after", RIGHT + "/"),
    Target("dots", "/servers/other/../main/mcp"),
    Target("encoded dots", "/servers/other/%2e%2e/main/mcp"),
    Target("half encoded dots", "/servers/other/.%2E/main/mcp"),
    Target("a dot", "/servers/./main/mcp"),
    Target("an encoded slash", "/servers/main%2fmcp"),
    Target("an encoded slash in the name", "/servers/x%2f..%2fmain/mcp"),
    Target("a backslash", "/servers\\main\\mcp"),
    Target("an encoded backslash", "/servers/x%5c..%5cmain/mcp"),
    Target("NUL", "/servers/main%00/mcp"),
    Target("a parameter", RIGHT + ";jsessionid=1"),
    Target("a fragment", RIGHT + "#fragment"),
    Target("the case of the path", "/SERVERS/main/mcp", (404,)),
    Target("the case of the name", "/servers/MAIN/mcp", (404,)),
    Target("doubly encoded", "/servers/m%2561in/mcp"),
    Target("broken UTF-8", "/servers/main%ff/mcp"),
    Target("a raw byte", "/servers/main\xe9/mcp"),
    Target("the control plane's path", "/readyz", (404,)),
    Target("another host", "http://evil.example" + RIGHT, (400,)),
    Target("an asterisk", "*", (400, 404, 405), "OPTIONS"),
    Target("an authority", "127.0.0.1:80", (400,), "CONNECT"),
    Target("9 KiB of it", "/servers/" + "m" * 9216 + "/mcp", (414,)),
    Target("PUT", RIGHT, (405,), "PUT"),
    Target("PATCH", RIGHT, (405,), "PATCH"),
    Target("OPTIONS", RIGHT, (405,), "OPTIONS"),
    Target("a method that is none", RIGHT, (400, 405), "GREET"),
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A whole request, made from the headers of a good call (without its length) and its body."""

    name: str
    make: Callable[[bytes, bytes], bytes]
    status: tuple[int, ...] = (400,)


def _lines(*extra: bytes, body: bytes | None = None) -> Callable[[bytes, bytes], bytes]:
    """The call with these lines after its headers; `body` stands for its body where that has another framing."""

    def make(head: bytes, good: bytes) -> bytes:
        length = [] if body is not None else [b"Content-Length: %d" % len(good)]
        return head + b"\r\n".join([*length, *extra]) + b"\r\n\r\n" + (good if body is None else body)

    return make


def _chunked(good: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(good), good)


RAW = (
    Raw("a length and chunks", lambda head, good: _lines(b"Transfer-Encoding: chunked")(head, _chunked(good))),
    Raw("two lengths", _lines(b"Content-Length: 3")),
    Raw("a list of lengths", _lines(b"Content-Length: 3, 3", body=b"{}")),
    Raw("a negative length", _lines(b"Content-Length: -1", body=b"{}")),
    Raw("a length with a sign", _lines(b"Content-Length: +2", body=b"{}")),
    Raw("a length of 10 GiB", _lines(b"Content-Length: 10737418240", body=b"{}"), (413,)),
    Raw("a length beyond numbers", _lines(b"Content-Length: " + b"9" * 30, body=b"{}"), (400, 413)),
    Raw("another transfer coding", _lines(b"Transfer-Encoding: gzip", body=b"{}")),
    Raw(
        "two transfer codings", _lines(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    ),
    Raw("a chunk without a size", _lines(b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n")),
    Raw("a chunk of a negative size", _lines(b"Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n")),
    Raw("a folded header", _lines(b"X-Folded: a\r\n b")),
    Raw("a bare line feed", _lines(b"X-Bare: a\nX-Smuggled: b")),
    Raw("a space before the colon", _lines(b"X-Space : a")),
    Raw("a header without a name", _lines(b": a")),
    Raw("a NUL in a header", _lines(b"X-Nul: a\0b")),
    Raw("101 headers", _lines(*[b"X-%d: a" % n for n in range(101)]), (431,)),
    Raw("a header of 33 KiB", _lines(b"X-Long: " + b"a" * 33_792), (431,)),
    Raw("a header of 8 MiB", _lines(b"X-Long: " + b"a" * (8 << 20)), (431,)),
    Raw("an expectation", _lines(b"Expect: the-unexpected"), (417,)),
    Raw("two Content-Types", _lines(b"Content-Type: text/plain")),
    Raw("two Authorizations", _lines(b"Authorization: Bearer a", b"Authorization: Bearer b")),
    Raw("HTTP/0.9", lambda head, good: b"GET /servers/main/mcp\r\n\r\n", (400, 505)),
    Raw("HTTP/3.7", lambda head, good: b"GET /servers/main/mcp HTTP/3.7\r\nHost: a\r\n\r\n", (400, 505)),
    Raw("HTTP/2", lambda head, good: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Raw("TLS", lambda head, good: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    Raw("anything", lambda head, good: bytes(range(255, 0, -1))),
)
"""What is no request of HTTP/1.1 that all read alike."""
