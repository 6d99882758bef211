"""Answers to a `tools/call`, whole but wrong, refusing, or right in an unusual way. The table is in `evil_faults`."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.upstreams.evil_wire import JSON, Exchange

# ---- not HTTP, not JSON, not JSON-RPC


async def garbage(x: Exchange) -> None:
    await x.send(bytes(range(256)) * 8)


async def garbage_body(x: Exchange) -> None:
    await x.body(b"\x00\x01\x02 not JSON", content_type=JSON)


async def garbage_sse(x: Exchange) -> None:
    await x.stream()
    await x.send(b"data: {not json\n\n")


async def bad_chunk(x: Exchange) -> None:
    await x.head(200, content_type=JSON, transfer_encoding="chunked")
    await x.send(b"zz\r\nnot a chunk\r\n")


async def invalid_utf8(x: Exchange) -> None:
    await x.body(json.dumps(x.result("HERE")).encode().replace(b"HERE", b"\xff\xfe"), content_type=JSON)


async def empty_body(x: Exchange) -> None:
    await x.body(b"", content_type=JSON)


async def duplicate_keys(x: Exchange) -> None:
    text = json.dumps(x.result())
    await x.body((text[:-1] + ', "result": {"content": []}}').encode(), content_type=JSON)


async def nan(x: Exchange) -> None:
    await x.answer(x.result(structuredContent={"value": float("nan")}))


async def bare_array(x: Exchange) -> None:
    await x.answer([1, 2, 3])


async def batch(x: Exchange) -> None:
    await x.answer([x.result()])


async def wrong_id(x: Exchange) -> None:
    await x.answer({**x.result(), "id": 987654321})


async def wrong_id_type(x: Exchange) -> None:
    asked = x.seen.id
    await x.answer({**x.result(), "id": str(asked) if not isinstance(asked, str) else [asked]})


async def wrong_id_sse(x: Exchange) -> None:
    """An answer to somebody else, then the right one."""
    await x.stream()
    await x.event({**x.result("not yours"), "id": 987654321})
    await x.event(x.result("yours"))


async def two_results(x: Exchange) -> None:
    await x.stream()
    await x.event(x.result("first"))
    await x.event(x.result("second"))


async def error_and_result(x: Exchange) -> None:
    await x.answer({**x.result(), "error": {"code": -32603, "message": "both"}})


async def neither(x: Exchange) -> None:
    await x.answer({"jsonrpc": "2.0", "id": x.seen.id})


async def result_not_object(x: Exchange) -> None:
    await x.answer({"jsonrpc": "2.0", "id": x.seen.id, "result": "done"})


async def unknown_result_type(x: Exchange) -> None:
    await x.answer({"jsonrpc": "2.0", "id": x.seen.id, "result": {"resultType": "surprise", "content": []}})


async def request_to_client(x: Exchange) -> None:
    """A request on the stream that no client of the new era has to answer, then the answer."""
    await x.stream()
    await x.event({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
    await x.event(x.result())


# ---- HTTP that is odd or says no


async def status_201(x: Exchange) -> None:
    await x.body(b"<p>made</p>", 201, content_type="text/html")


async def status_302(x: Exchange) -> None:
    host = x.seen.headers.get("host", "127.0.0.1")
    await x.body(b"<p>there</p>", 302, content_type="text/html", location=f"http://{host}/elsewhere")


async def status_401(x: Exchange) -> None:
    await x.body(b"", 401, www_authenticate='Bearer realm="evil"')


async def status_429(x: Exchange) -> None:
    await x.body(b"slow down", 429, content_type="text/plain", retry_after="7")


async def status_500(x: Exchange) -> None:
    await x.body(b"<html><body>Traceback: secret-in-page</body></html>", 500, content_type="text/html")


async def status_503(x: Exchange) -> None:
    await x.body(b"", 503)


async def json_casing(x: Exchange) -> None:
    await x.body(json.dumps(x.result()).encode(), content_type="Application/JSON; Charset=UTF-8")


async def no_content_type(x: Exchange) -> None:
    await x.body(json.dumps(x.result()).encode())


async def html_200(x: Exchange) -> None:
    await x.body(b"<p>welcome</p>", content_type="text/html")


async def gzipped(x: Exchange) -> None:
    """A good answer, compressed whether or not that was asked for."""
    packed = gzip.compress(json.dumps(x.result()).encode())
    await x.body(packed, content_type=JSON, content_encoding="gzip")


# ---- good answers that a careless gateway spoils


async def ok(x: Exchange) -> None:
    """Returns its arguments."""
    arguments = x.seen.params.get("arguments", {})
    await x.answer(x.result(json.dumps(arguments), structuredContent={"echo": arguments}))


async def ok_sse(x: Exchange) -> None:
    await x.stream()
    await x.event(x.notification())
    await x.event(x.result())


async def odd_sse(x: Exchange) -> None:
    """Every freedom of the SSE grammar: a BOM, CR and CRLF ends, comments, fields without a colon or a space."""
    first, second = json.dumps(x.result(), indent=1).split("\n", 1)
    await x.stream()
    await x.send(b"\xef\xbb\xbf: hello\r\rretry\r\nid:7\r\nevent:message\r\ndata:" + first.encode() + b"\r\n")
    for line in second.split("\n"):
        await x.send(b"data: " + line.encode() + b"\r")
    await x.send(b"\r")


async def gate(x: Exchange) -> None:
    """Answers once the test opens the gate."""
    await x.gate.wait()
    await x.answer(x.result("through the gate"))


async def null_structured(x: Exchange) -> None:
    await x.answer(x.result(structuredContent=None))


async def unknown_blocks(x: Exchange) -> None:
    """Content and fields from a future or a vendor."""
    block = {"type": "hologram", "data": [1, 2, {"x": None}], "vendor.example/field": True}
    known = {"type": "text", "text": "known", "annotations": {"vendorHint": 1}, "vendor.example/field": {"a": None}}
    result: dict[str, Any] = {
        "content": [known, block],
        "structuredContent": {"big": 12345678901234567890, "text": "ü\u2028", "null": None},
        "isError": False,
        "vendor.example/top": [None],
        "_meta": {"vendor.example/trace": "t1", "a": None},
    }
    await x.answer(x.reply(result))


async def tool_error(x: Exchange) -> None:
    await x.answer(x.result("the tool failed", isError=True))


async def rpc_error(x: Exchange) -> None:
    await x.answer(x.error(-31999, "a code of its own", {"vendor": [1, None]}))
