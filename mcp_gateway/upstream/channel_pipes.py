"""The three pipes between the gateway and a child, and its exit, the same on every event loop.

Loops differ in what they make of a child: uvloop gives it sockets and lets it inherit copies of them, so that
neither side sees the other close one, and programs that open ``/dev/stdout`` fail.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable
from itertools import chain
from typing import BinaryIO


class PipeEnd(asyncio.Protocol):
    """Our end of one pipe, as callbacks. An end that is written to never gets data."""

    def __init__(
        self,
        *,
        on_end: Callable[[], None],
        on_data: Callable[[bytes], None] | None = None,
        on_full: Callable[[bool], None] | None = None,
    ) -> None:
        self._on_end = on_end
        self._on_data = on_data
        self._on_full = on_full

    def data_received(self, data: bytes) -> None:
        if self._on_data is not None:
            self._on_data(data)

    def pause_writing(self) -> None:
        if self._on_full is not None:
            self._on_full(True)

    def resume_writing(self) -> None:
        if self._on_full is not None:
            self._on_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()


class Pipes:
    """Standard input, output and error of one child. `theirs` are the child's descriptors, in that order."""

    def __init__(self) -> None:
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = _three()
        self.theirs = (their_in, their_out, their_err)
        self._ours: tuple[BinaryIO, ...] = (
            os.fdopen(our_in, "wb", buffering=0),
            os.fdopen(our_out, "rb", buffering=0),
            os.fdopen(our_err, "rb", buffering=0),
        )
        self._transports: list[asyncio.BaseTransport] = []

    async def connect(
        self, loop: asyncio.AbstractEventLoop, written: PipeEnd, output: PipeEnd, errors: PipeEnd
    ) -> asyncio.WriteTransport:
        """Attach our ends to the loop; returns the one to write to."""
        our_in, our_out, our_err = self._ours
        writing, _ = await loop.connect_write_pipe(lambda: written, our_in)
        self._transports.append(writing)
        self._transports.append((await loop.connect_read_pipe(lambda: output, our_out))[0])
        self._transports.append((await loop.connect_read_pipe(lambda: errors, our_err))[0])
        return writing

    def close_theirs(self) -> None:
        """The child has its copies, or there is no child."""
        for descriptor in self.theirs:
            os.close(descriptor)

    def close(self) -> None:
        """Close our ends."""
        for transport in self._transports:
            transport.close()
        for pipe in self._ours[len(self._transports) :]:  # what no transport owns
            pipe.close()


def _three() -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    try:
        while len(pairs) < 3:
            pairs.append(os.pipe())
    except OSError:  # too many open files, of which these would be some more
        for descriptor in chain.from_iterable(pairs):
            os.close(descriptor)
        raise
    return pairs


def watch_exit(popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, on_exit: Callable[[int], None]) -> None:
    """Reap the child when it ends and call `on_exit` with its status (negative for a signal) in the loop."""
    try:
        descriptor = os.pidfd_open(popen.pid)
    except (AttributeError, OSError):  # only Linux has it
        threading.Thread(target=_wait, args=(popen, loop, on_exit), daemon=True).start()
        return

    def reap() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        on_exit(popen.wait())

    loop.add_reader(descriptor, reap)


def _wait(popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, on_exit: Callable[[int], None]) -> None:
    status = popen.wait()
    if not loop.is_closed():
        loop.call_soon_threadsafe(on_exit, status)
