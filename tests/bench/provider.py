"""A provider of completions that answers at once: a bare asyncio protocol with answers that were made before.

`python -m tests.bench.provider` prints one line `{"port": N}`. It knows one request by the eight digits in it, and
writes each chunk of a stream by itself, as providers do. After the first words it rests: a model takes longer for a
word than a gateway for a request, and on a shared core whoever waits for the first would wait for all that follow.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from typing import Final, cast

import uvloop

from tests.bench import completions
from tests.bench.asking import MARK
from tests.bench.wire import HttpMessage, Reader

PATH: Final = b"POST /v1/chat/completions HTTP/1.1"

_NUMBER: Final = re.compile(rb"entry ([0-9]{8})")
_KEY: Final = b"\r\nauthorization: bearer "
_STREAM: Final = b'"stream":true'
_USAGE: Final = b'"include_usage":true'
_WHOLE: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
FIRST_WORDS: Final = 1
"""Which of the pieces of a stream says something first."""

REST_SECONDS: Final = 0.003

_REFUSED: Final = b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n"


class Answers:
    """The pieces in which each request is answered: one, or those of a stream."""

    def __init__(self) -> None:
        number = b"0" * 8
        body = completions.whole()
        self._whole = _WHOLE % (len(body.replace(MARK, number)), body)
        self._streams = {usage: _framed(completions.chunks(usage=usage), number) for usage in (False, True)}

    def answer(self, message: HttpMessage) -> Sequence[bytes]:
        """What to write, each by itself."""
        if not message.head.startswith(PATH):
            return [_REFUSED % 404]
        if _KEY not in message.fields:
            return [_REFUSED % 401]
        found = _NUMBER.search(message.body)
        if found is None:
            return [_REFUSED % 400]
        if _STREAM not in message.body:
            return [self._whole.replace(MARK, found[1])]
        return [piece.replace(MARK, found[1]) for piece in self._streams[_USAGE in message.body]]


def _framed(events: Sequence[bytes], number: bytes) -> list[bytes]:
    """Events as chunks of a response; the first goes with the head, the last with the end."""
    framed = [b"%x\r\n%b\r\n" % (len(event.replace(MARK, number)), event) for event in events]
    return [_HEAD + framed[0], *framed[1:-1], framed[-1] + b"0\r\n\r\n"]


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._reader = Reader()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            self._write(self._answers.answer(message), 0)

    def _write(self, pieces: Sequence[bytes], place: int) -> None:
        """One piece a turn of the loop: what is written in one turn leaves together."""
        self._transport.write(pieces[place])
        if place + 1 == len(pieces) or self._transport.is_closing():
            return
        if place == FIRST_WORDS:
            self._loop.call_later(REST_SECONDS, self._write, pieces, place + 1)
        else:
            self._loop.call_soon(self._write, pieces, place + 1)


async def serve(port: int = 0) -> asyncio.Server:
    """A listening server on loopback."""
    answers = Answers()
    return await asyncio.get_running_loop().create_server(lambda: Connection(answers), "127.0.0.1", port, backlog=512)


async def main() -> None:
    server = await serve()
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
