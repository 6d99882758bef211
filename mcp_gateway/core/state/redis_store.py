"""A Redis server that may be away: asked for a short time only, and left alone for a while after it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.secret import Secret

_CONNECTIONS: Final = 16

_NONSENSE: Final = (AttributeError, LookupError, TypeError, ValueError)
"""How the client fails at an answer that no Redis gives: it looks into it before it knows what it is."""

T = TypeVar("T")

_log = structlog.get_logger("state")


async def command(redis: Redis, *parts: str | bytes | int) -> Any:
    """What `redis` answers to a command."""
    return await redis.execute_command(*parts)  # type: ignore[no-untyped-call]  # the client leaves this one untyped


class RedisStore:
    """One pool of connections, made inside the running loop and closed there. `purpose` is what logs call it.

    Redis is waited for `seconds` at most, and its connections to close as long again once it failed. Then nobody asks,
    and nobody waits, for `pause` seconds.
    """

    __slots__ = ("_pause", "_purpose", "_redis", "_resume_at", "_seconds", "failures")

    def __init__(self, url: Secret, *, purpose: str, seconds: float, pause: float) -> None:
        """`url` is ``redis://…``, ``rediss://…`` or ``unix://…``. Raises `ConfigurationError` for any other."""
        self._purpose = purpose
        self._seconds = seconds
        self._pause = pause
        self._resume_at = 0.0
        self.failures = 0
        """How often Redis did not answer, or not as it should."""
        try:
            pool = BlockingConnectionPool.from_url(
                url.reveal(),
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
                max_connections=_CONNECTIONS,
                # More questions than connections wait their turn: many at once are no failure of the store.
                timeout=seconds,
                # Whoever asks has another way out: trying again would only be slower.
                retry=Retry(NoBackoff(), 0),
            )
            self._redis: Redis = Redis.from_pool(pool)
            return
        except ValueError:
            pass  # its text may quote the URL
        raise ConfigurationError([Problem("state.redis", 0, 0, "this is no URL of a Redis server")])

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T | None:
        """What `question` gets; None if Redis cannot be asked."""
        clock = asyncio.get_running_loop().time
        if clock() < self._resume_at:
            return None
        try:
            async with asyncio.timeout(self._seconds):
                return await question(self._redis)
        except (RedisError, OSError, *_NONSENSE) as error:  # OSError: TimeoutError too
            kind = type(error).__name__
        self.failures += 1
        self._resume_at = clock() + self._pause
        _log.warning(f"{self._purpose} failed", kind=kind)
        # A connection that began badly, or to a server that takes no more writes, would go on failing: the next
        # question begins anew, wherever the name of the server leads by then.
        with suppress(RedisError, OSError):
            await self._redis.connection_pool.disconnect(inuse_connections=False)
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
