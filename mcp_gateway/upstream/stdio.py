"""MCP over a child process: one JSON text a line on stdin and stdout, stderr to the log."""

from __future__ import annotations

from collections.abc import Callable

from mcp_gateway.core.errors import ProtocolViolation, Unreachable, UpstreamError
from mcp_gateway.core.secret import Secret
from mcp_gateway.upstream.channel_duplex import MAX_MESSAGE, Receiver
from mcp_gateway.upstream.channel_lines import LineSplitter
from mcp_gateway.upstream.channel_stderr import StderrLog
from mcp_gateway.upstream.process import GRACE, Command, Process

ExitHook = Callable[[str], None]
"""Told once when the process is of no more use, with a public sentence. Must not wait or raise."""


async def spawn(
    command: Command,
    *,
    upstream: str,
    on_exit: ExitHook | None = None,
    max_message: int = MAX_MESSAGE,
    grace: float = GRACE,
) -> StdioDuplex:
    """Start `command` and return the channel to it.

    `on_exit` is also called when the gateway itself ends the process. Raises `Unreachable` (``sent=False``)
    that says what is missing or wrong.
    """
    secrets = tuple(value for value in command.env.values() if isinstance(value, Secret))
    duplex = StdioDuplex(
        upstream, on_exit=on_exit, max_message=max_message, grace=grace, log=StderrLog(upstream, secrets)
    )
    started = False
    try:
        await duplex.start(command)
        started = True
    finally:
        if not started:
            duplex.abandon()
    return duplex


class StdioDuplex:
    """A `Duplex` over the pipes of one child process."""

    def __init__(
        self, upstream: str, *, on_exit: ExitHook | None, max_message: int, grace: float, log: StderrLog
    ) -> None:
        self._upstream = upstream
        self._on_exit = on_exit
        self._max_message = max_message
        self._lines = LineSplitter(max_message)
        self._stderr = log
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._receiver: Receiver | None = None
        self._closed: UpstreamError | None = None
        self._process = Process(
            upstream, on_output=self._take, on_errors=self._stderr.feed, on_gone=self._gone, grace=grace
        )

    @property
    def closed(self) -> UpstreamError | None:
        """Why the channel is dead; None while it is not."""
        return self._closed

    @property
    def pid(self) -> int:
        """The child's process id, which is also its process group's."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        return self._process.exit_status

    async def start(self, command: Command) -> None:
        """Start the process; see `spawn`."""
        await self._process.start(command)

    def abandon(self) -> None:
        """End the process, if there is one, without waiting for it: the start was given up."""
        self._fail(Unreachable("the start was given up", sent=False, upstream=self._upstream))

    def attach(self, receiver: Receiver) -> None:
        """Begin to deliver to `receiver`."""
        self._receiver = receiver
        early, self._early = self._early, []
        for line in early:
            receiver.feed(line)
        if self._closed is not None:
            receiver.lost(self._closed)

    async def send(self, message: bytes, deadline: float) -> None:
        """Write one line, waiting for room until `deadline`."""
        self._refuse_if_closed()
        if self._process.full:
            await self._process.room(deadline)
            self._refuse_if_closed()
        self._process.write(message + b"\n")

    def post(self, message: bytes) -> bool:
        """Write one line if there is room."""
        if self._closed is not None or self._process.full:
            return False
        self._process.write(message + b"\n")
        return True

    async def close(self) -> None:
        """End the process and everything it started. Output that still comes is thrown away."""
        self._fail(Unreachable("the upstream's process was stopped", sent=True, upstream=self._upstream))
        await self._process.stop()
        self._stderr.close()

    def _refuse_if_closed(self) -> None:
        if self._closed is not None:
            raise Unreachable(self._closed.message, sent=False, upstream=self._upstream)

    def _take(self, data: bytes) -> None:
        if self._closed is not None:
            return
        try:
            lines = self._lines.feed(data)
            if self._receiver is None:
                self._keep(lines)
                return
        except ProtocolViolation as error:
            self._fail(ProtocolViolation(error.message, upstream=self._upstream))
            return
        for line in lines:
            self._receiver.feed(line)

    def _keep(self, lines: list[bytes]) -> None:
        self._early += lines
        self._early_bytes += sum(map(len, lines))
        if self._early_bytes > self._max_message:
            raise ProtocolViolation("the upstream sends more than it was asked for")

    def _gone(self, reason: str) -> None:
        self._fail(Unreachable(reason, sent=True, upstream=self._upstream))

    def _fail(self, reason: UpstreamError) -> None:
        if self._closed is not None:
            return
        self._closed = reason
        self._early.clear()
        self._process.begin_stop()
        if self._receiver is not None:
            self._receiver.lost(reason)
        if self._on_exit is not None:
            self._on_exit(reason.message)
