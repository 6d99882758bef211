"""The standalone GET stream of a handshake-era session: kept open in the background, reopened when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Rejected, UpstreamError
from mcp_gateway.core.sse import SseDecoder
from mcp_gateway.upstream.streamable import Refused, SessionLost, UnexpectedStatus
from mcp_gateway.upstream.streamable_stream import read_until, retry_seconds
from mcp_gateway.upstream.streamable_wire import SessionWire

_OPEN_SECONDS: Final = 10.0
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 60.0
_FOREVER: Final = float("inf")

_log = structlog.get_logger("upstream.streamable")


class EventStream:
    """Hands every message of the stream to `take`, until the session is lost or there turns out to be no stream.

    An event id that the stream gave is sent along when it is reopened, so that a server that keeps events
    delivers what came in between. `opened` is set once the first attempt has had its answer.
    """

    def __init__(self, wire: SessionWire, take: Callable[[Json], None], lost: Callable[[], None]) -> None:
        self.opened = asyncio.Event()
        self._wire = wire
        self._take = take
        self._lost = lost
        self._last_id = b""
        self._wait = _FIRST_WAIT
        self._fruitful = False

    async def run(self) -> None:
        """Returns when there is nothing more to be had. Cancel it to close the stream."""
        while await self._once():
            await asyncio.sleep(self._wait)

    async def _once(self) -> bool:
        """Follow the stream once; True if another attempt makes sense."""
        decoder, self._fruitful = SseDecoder(self._wire.max_event), False
        try:
            deadline = asyncio.get_running_loop().time() + _OPEN_SECONDS
            response = await self._wire.open_stream(self._last_id, deadline)
            self.opened.set()
            await read_until(response, self._next, _FOREVER, decoder=decoder)
        except SessionLost:
            self._lost()
            return False
        except Refused as error:
            # Credentials change and limits pass; whoever asks too early again is told again.
            self._wait = max(self._wait, error.retry_after or 0.0)
        except (UnexpectedStatus, Rejected) as error:
            status = error.status
            if status != 405:  # how a server says that it has no such stream
                _log.info("event_stream_refused", status=status)
            return False
        except UpstreamError as error:
            _log.debug("event_stream_ended", error=type(error).__name__)
        finally:
            self.opened.set()
        self._last_id = decoder.last_event_id or self._last_id
        if not self._fruitful:
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        else:
            self._wait = _FIRST_WAIT if decoder.retry is None else retry_seconds(decoder.retry)
        return True

    def _next(self, message: Json) -> None:
        self._fruitful = True
        self._take(message)
