"""What an upstream's process writes to stderr becomes log lines: short, few and harmless to a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

import structlog

from mcp_gateway.core.secret import REDACTED, Secret

LINE_BYTES: Final = 2048
LINES_PER_SECOND: Final = 20.0
BURST: Final = 200.0
_SHORTEST_SECRET: Final = 4  # starring out less would garble lines that hold no secret

_ESCAPE_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")

_log = structlog.get_logger("upstream.stderr")


class StderrLog:
    """Logs stderr of one upstream line by line.

    A line is cut at 2 KiB. Beyond a burst, 20 lines a second pass; how many did not is said with the next that does.
    `secrets` (what the process was given) are starred out wherever it prints them.
    """

    __slots__ = ("_cutting", "_now", "_rest", "_secrets", "_suppressed", "_tokens", "_updated", "_upstream")

    def __init__(
        self, upstream: str, secrets: tuple[Secret, ...] = (), *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._upstream = upstream
        self._secrets = secrets
        self._now = now
        self._rest = bytearray()
        self._cutting = False
        self._tokens = BURST
        self._updated = now()
        self._suppressed = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        pieces = data.split(b"\n")
        for piece in pieces[:-1]:
            self._hold(piece)
            self._end_line()
        self._hold(pieces[-1])

    def close(self) -> None:
        """Log what is left when the process is gone."""
        if self._rest:
            self._end_line()
        if self._suppressed:
            _log.warning("lines suppressed", upstream=self._upstream, count=self._suppressed)
            self._suppressed = 0

    def _hold(self, data: bytes) -> None:
        room = LINE_BYTES - len(self._rest)
        if len(data) > room:
            self._cutting = True
        self._rest += data[:room]

    def _end_line(self) -> None:
        line, cut = bytes(self._rest), self._cutting
        self._rest.clear()
        self._cutting = False
        if not line.strip():
            return
        if not self._admit():
            self._suppressed += 1
            return
        if self._suppressed:
            _log.warning("lines suppressed", upstream=self._upstream, count=self._suppressed)
            self._suppressed = 0
        _log.info("stderr", upstream=self._upstream, line=self._discreet(harmless(line)) + ("…" if cut else ""))

    def _discreet(self, text: str) -> str:
        for secret in self._secrets:
            if len(secret.reveal()) >= _SHORTEST_SECRET:
                text = text.replace(secret.reveal(), REDACTED)
        return text

    def _admit(self) -> bool:
        now = self._now()
        self._tokens = min(BURST, self._tokens + (now - self._updated) * LINES_PER_SECOND)
        self._updated = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def harmless(line: bytes) -> str:
    """`line` as text without terminal sequences; what else does not print is escaped."""
    text = _ESCAPE_SEQUENCE.sub("", line.decode("utf-8", "replace").rstrip())
    return _UNPRINTABLE.sub(
        lambda match: f"\\x{ord(match[0]):02x}" if ord(match[0]) < 256 else f"\\u{ord(match[0]):04x}", text
    )
