"""What can go wrong with one answer: a table of faults by the name of the tool that has them.

Each fault gets the exchange of a `tools/call` and answers it badly. `ConnectionError` ends it: the peer gave up.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from tests.upstreams import evil_answers as answers
from tests.upstreams.evil_wire import CHUNK, JSON, Exchange

GIGABYTE = 1 << 30
DEPTH = 100_000

Fault = Callable[[Exchange], Awaitable[None]]


# ---- the connection


async def hang(x: Exchange) -> None:
    await x.hang()


async def hang_after_headers(x: Exchange) -> None:
    await x.head(200, content_type=JSON, content_length="100")
    await x.hang()


async def hang_mid_sse(x: Exchange) -> None:
    await x.stream()
    await x.event(x.notification())
    await x.hang()


async def close_before_headers(x: Exchange) -> None:
    x.writer.close()


async def close_mid_body(x: Exchange) -> None:
    await x.head(200, content_type=JSON, content_length="1000")
    await x.send(b'{"jsonrpc": "2.0", ')


async def close_mid_sse(x: Exchange) -> None:
    await x.stream()
    await x.event(x.notification())


async def reset_before_headers(x: Exchange) -> None:
    x.reset()


async def reset_mid_body(x: Exchange) -> None:
    await x.head(200, content_type=JSON, content_length="1000")
    await x.send(b'{"jsonrpc": "2.0", ')
    x.reset()


async def reset_mid_sse(x: Exchange) -> None:
    await x.stream()
    await x.event(x.notification())
    x.reset()


async def trickle(x: Exchange) -> None:
    """A good answer, one byte at a time."""
    data = json.dumps(x.result()).encode()
    await x.head(200, content_type=JSON, content_length=str(len(data)))
    for byte in data:
        await x.send(bytes((byte,)))
        await asyncio.sleep(x.pace)


async def trickle_forever(x: Exchange) -> None:
    """White space before an answer that never comes."""
    await x.head(200, content_type=JSON, connection="close")
    while True:
        await x.send(b" ")
        await asyncio.sleep(x.pace)


# ---- too much


async def _pour(x: Exchange, piece: bytes, total: int) -> None:
    for _ in range(total // len(piece)):
        await x.send(piece)


async def infinite_notifications(x: Exchange) -> None:
    await x.stream()
    while True:
        for _ in range(100):
            await x.event(x.notification())
        # The tests' servers share one loop: without a pause the flood keeps a call of somebody else from being sent.
        await asyncio.sleep(x.pace)


async def infinite_comments(x: Exchange) -> None:
    await x.stream()
    while True:
        await x.send(b": nothing\n\n" * 1000)
        await asyncio.sleep(x.pace)


async def infinite_headers(x: Exchange) -> None:
    await x.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await x.send(b"x-more: " + b"y" * 1000 + b"\r\n")


async def huge_event(x: Exchange) -> None:
    """One SSE event of 1 GiB."""
    await x.stream()
    await x.send(b'data: {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "')
    await _pour(x, b"x" * CHUNK, GIGABYTE)
    await x.send(b'"}]}}\n\n')


async def huge_event_of_lines(x: Exchange) -> None:
    """One SSE event of 1 GiB, in short lines."""
    await x.stream()
    await _pour(x, b"data: x\n" * (CHUNK // 8), GIGABYTE)
    await x.send(b"\n")


async def huge_json(x: Exchange) -> None:
    """One JSON body of 1 GiB, of which no length is said."""
    await x.head(200, content_type=JSON, connection="close")
    await x.send(b'{"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "')
    await _pour(x, b"x" * CHUNK, GIGABYTE)
    await x.send(b'"}]}}')


async def huge_length(x: Exchange) -> None:
    await x.head(200, content_type=JSON, content_length=str(1 << 50))
    await x.hang()


async def gzip_bomb(x: Exchange) -> None:
    """256 KiB that unpack to 256 MiB."""
    await x.head(200, content_type=JSON, content_encoding="gzip", connection="close")
    packer = zlib.compressobj(level=1, wbits=31)
    for _ in range(256):
        await x.send(packer.compress(b" " * (1 << 20)) or b"")
        await asyncio.sleep(0)
    await x.send(packer.flush())


async def deep_json(x: Exchange) -> None:
    nested = "[" * DEPTH + "]" * DEPTH
    text = json.dumps(x.result(structuredContent={"deep": "HERE"})).replace('"HERE"', nested)
    await x.body(text.encode(), content_type=JSON)


def _table(*faults: Fault) -> Mapping[str, Fault]:
    return MappingProxyType({getattr(fault, "__name__", ""): fault for fault in faults})


CONNECTION = _table(
    hang,
    hang_after_headers,
    hang_mid_sse,
    close_before_headers,
    close_mid_body,
    close_mid_sse,
    reset_before_headers,
    reset_mid_body,
    reset_mid_sse,
    trickle_forever,
)
"""No answer ever comes."""

EXCESS = _table(
    infinite_notifications,
    infinite_comments,
    infinite_headers,
    huge_event,
    huge_event_of_lines,
    huge_json,
    huge_length,
    gzip_bomb,
    deep_json,
)
"""Must be given up on before memory or time runs out."""

MALFORMED = _table(
    answers.garbage,
    answers.garbage_body,
    answers.garbage_sse,
    answers.bad_chunk,
    answers.invalid_utf8,
    answers.empty_body,
    answers.duplicate_keys,
    answers.nan,
    answers.bare_array,
    answers.batch,
    answers.wrong_id,
    answers.wrong_id_type,
    answers.error_and_result,
    answers.neither,
    answers.result_not_object,
    answers.html_200,
)
"""An answer that breaks the protocol."""

REFUSING = _table(
    answers.status_201,
    answers.status_302,
    answers.status_401,
    answers.status_429,
    answers.status_500,
    answers.status_503,
)
"""An HTTP status that is no answer."""

LENIENT = _table(
    answers.unknown_result_type,
    answers.request_to_client,
    answers.wrong_id_sse,
    answers.two_results,
    answers.no_content_type,
    answers.gzipped,
)
"""Wrong or unasked for; what a client makes of it is for its test to say."""

GOOD = _table(
    answers.ok,
    answers.ok_sse,
    answers.odd_sse,
    answers.gate,
    trickle,
    answers.json_casing,
    answers.null_structured,
    answers.unknown_blocks,
    answers.tool_error,
    answers.rpc_error,
)
"""Right, if unusual: must come through unchanged."""

FAULTS: Mapping[str, Fault] = MappingProxyType({**CONNECTION, **EXCESS, **MALFORMED, **REFUSING, **LENIENT, **GOOD})
