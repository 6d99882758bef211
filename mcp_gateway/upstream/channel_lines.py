"""Bytes in, lines out, with a cap: the framing of messages on pipes."""

from __future__ import annotations

from mcp_gateway.core.errors import ProtocolViolation


class LineSplitter:
    """Cuts a stream at line feeds. What a line may cost is `limit` bytes, whether or not its end ever comes."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends; blank ones are left out.

        Raises:
            ProtocolViolation: a line is longer than the limit. The splitter is then of no further use.
        """
        if b"\n" not in data:
            self._hold(data)
            return []
        lines = data.split(b"\n")
        rest = lines.pop()
        if self._rest:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        if len(data) + len(lines[0]) > self._limit and any(len(line) > self._limit for line in lines):
            raise self._too_long()
        self._hold(rest)
        return [line for line in lines if line and not line.isspace()]

    @property
    def held(self) -> int:
        """Bytes of a line whose end has not come yet."""
        return len(self._rest)

    def _hold(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) > self._limit:
            raise self._too_long()

    def _too_long(self) -> ProtocolViolation:
        self._rest.clear()
        return ProtocolViolation(f"a message of the upstream exceeds {self._limit} bytes")
