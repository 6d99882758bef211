"""A child process of its own: no shell, a scrubbed environment, a process group that goes down as one.

Owns the operating system's side only: pipes in and out, room to write, exit, and the end of the whole group.
What the bytes mean is `stdio`'s business.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.errors import TimedOut, Unreachable
from mcp_gateway.core.secret import Secret
from mcp_gateway.upstream.channel_duplex import HIGH_WATER, Waiters
from mcp_gateway.upstream.channel_pipes import PipeEnd, Pipes, watch_exit

GRACE: Final = 2.0
"""Seconds a process gets to end after its input ended, and again after SIGTERM."""

DRAIN: Final = 0.2
"""Seconds its last output may still take to arrive after a process has ended."""

_SWEEP_STEP: Final = 0.02

INHERITED: Final = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "SYSTEMROOT", "SystemRoot", "SYSTEMDRIVE", "PATHEXT", "COMSPEC", "APPDATA", "LOCALAPPDATA", "USERPROFILE",
    }
)  # fmt: skip
"""What a child inherits of the gateway's environment, besides ``LC_*``: nothing that could be a secret."""

_HINTS: Final = MappingProxyType(
    {
        "npx": "npx comes with Node.js",
        "npm": "npm comes with Node.js",
        "node": "install Node.js",
        "uvx": "uvx comes with uv",
        "uv": "install uv",
        "docker": "install Docker",
    }
)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `argv` is never read by a shell; `env` is added to the scrubbed environment."""

    argv: tuple[str, ...]
    cwd: str | None = None
    env: Mapping[str, str | Secret] = field(default_factory=lambda: MappingProxyType({}))


def child_environment(extra: Mapping[str, str | Secret], own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child of a process whose environment is `own`. Secrets are revealed here only.

    The folder of this Python's scripts is the last on PATH, so that servers installed beside the gateway are found.
    """
    kept = {name: value for name, value in own.items() if name in INHERITED or name.startswith("LC_")}
    beside = os.path.dirname(sys.executable)
    kept["PATH"] = os.pathsep.join(part for part in (kept.get("PATH", os.defpath), beside) if part)
    return kept | {name: value if isinstance(value, str) else value.reveal() for name, value in extra.items()}


class Process:
    """One running child. Hooks are synchronous; `on_gone` is called once, when its output or the process has ended."""

    def __init__(
        self,
        upstream: str,
        *,
        on_output: Callable[[bytes], None],
        on_errors: Callable[[bytes], None],
        on_gone: Callable[[str], None],
        grace: float = GRACE,
    ) -> None:
        self.pid = 0
        self._upstream = upstream
        self._on_output = on_output
        self._on_errors = on_errors
        self._on_gone = on_gone
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._popen: subprocess.Popen[bytes] | None = None
        self._pipes: Pipes | None = None
        self._input: asyncio.WriteTransport | None = None
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._room = Waiters()
        self._full = False
        self._gone = False
        self._output_ended = False
        self._stopping: asyncio.Task[None] | None = None

    @property
    def exit_status(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._exited.result() if self._exited.done() else None

    async def start(self, command: Command) -> None:
        """Start `command` in a session and process group of its own.

        Raises `Unreachable` (``sent=False``) that says what is missing.
        """
        environment = child_environment(command.env, os.environ)
        self._check(command, environment)
        try:
            pipes = self._pipes = Pipes()
            try:
                self._begin(command, environment, pipes.theirs)
            finally:
                pipes.close_theirs()
        except OSError as error:
            raise self._unreachable(f"cannot start '{command.argv[0]}': {error.strerror or 'refused'}") from None
        self._input = await pipes.connect(
            self._loop,
            PipeEnd(on_end=self._input_lost, on_full=self._fill),
            PipeEnd(on_end=self._output_lost, on_data=self._on_output),
            PipeEnd(on_end=lambda: None, on_data=self._on_errors),
        )
        self._input.set_write_buffer_limits(high=HIGH_WATER)

    def _begin(self, command: Command, environment: Mapping[str, str], ends: tuple[int, int, int]) -> None:
        # Not the loop's own spawning: uvloop lets children inherit copies of their pipes, which then never end.
        stdin, stdout, stderr = ends
        self._popen = subprocess.Popen(
            command.argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=command.cwd,
            env=environment,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        watch_exit(self._popen, self._loop, self._ended)

    # ------------------------------------------------------------ writing

    def write(self, data: bytes) -> None:
        """Write without regard to room; nothing happens when the input has ended."""
        if self._input is not None and not self._input.is_closing():
            self._input.write(data)

    @property
    def full(self) -> bool:
        """True while writers should wait."""
        return self._full

    async def room(self, deadline: float) -> None:
        """Wait until there is room. Raises `TimedOut` or `Unreachable`, both ``sent=False``."""
        while self._full and not self._gone:
            if not await self._room.wait(deadline):
                raise TimedOut("the upstream does not read what it is sent", sent=False, upstream=self._upstream)
        if self._gone:
            raise self._unreachable("the upstream's process has ended")

    # ------------------------------------------------------------ ending

    async def stop(self) -> None:
        """End the whole group: input closed, then SIGTERM, then SIGKILL, a grace between. Safe to call twice."""
        await asyncio.shield(self.begin_stop())

    def begin_stop(self) -> asyncio.Task[None]:
        """Begin to `stop` without waiting for the end of it."""
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._stop())
        return self._stopping

    async def _stop(self) -> None:
        if self._popen is None:
            self._close_pipes()
            return
        if self._input is not None:
            self._input.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._signal(number)
            await asyncio.wait({self._exited}, timeout=self._grace)
            if self._exited.done():
                break
        await self._sweep()
        self._close_pipes()

    def _close_pipes(self) -> None:
        if self._pipes is not None:
            self._pipes.close()

    async def _sweep(self) -> None:
        """Children that outlived their parent go the same way."""
        if not self._signal(signal.SIGTERM):
            return
        end = self._loop.time() + self._grace
        while self._loop.time() < end:
            if not self._signal(0):
                return
            await asyncio.sleep(_SWEEP_STEP)
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        """Signal the group; False when nobody is left in it."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    # ------------------------------------------------------------ what the loop calls

    def _ended(self, status: int) -> None:
        self._exited.set_result(status)
        if self._output_ended:
            self._go(self._exit_reason())
        else:
            self._loop.call_later(DRAIN, self._go, self._exit_reason())

    def _fill(self, full: bool) -> None:
        self._full = full
        if not full:
            self._room.wake()

    def _input_lost(self) -> None:
        # The exit that usually follows knows more; it gets a moment to come first.
        if not self._exited.done():
            self._loop.call_later(DRAIN, self._go, "closed its input")

    def _output_lost(self) -> None:
        self._output_ended = True
        if self._exited.done():
            self._go(self._exit_reason())
        else:
            self._loop.call_later(DRAIN, self._go, "closed its output")

    def _go(self, reason: str) -> None:
        if not self._gone:
            self._gone = True
            self._room.wake()
            self._on_gone(f"the upstream's process {self._exit_reason() if self._exited.done() else reason}")

    def _exit_reason(self) -> str:
        status = self.exit_status or 0
        if status >= 0:
            return f"ended with exit code {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    def _check(self, command: Command, environment: Mapping[str, str]) -> None:
        if command.cwd is not None and not os.path.isdir(command.cwd):
            raise self._unreachable("its working directory (cwd) does not exist")
        if any("\0" in text for text in (*command.argv, *environment, *environment.values())):
            raise self._unreachable("its command or environment holds a NUL character")
        program = command.argv[0]
        if os.path.dirname(program):
            path = os.path.join(command.cwd or "", program)
            if not os.access(path, os.X_OK) or os.path.isdir(path):
                raise self._unreachable(f"'{program}' is not an executable file; correct its command")
        elif shutil.which(program, path=environment["PATH"]) is None:
            hint = _HINTS.get(program, "install it")
            raise self._unreachable(f"'{program}' was not found on PATH; {hint}, or give its full path in the command")

    def _unreachable(self, message: str) -> Unreachable:
        return Unreachable(message, sent=False, upstream=self._upstream)
