"""A lease in Redis: replicas take turns without asking the database who goes first.

It saves work and decides nothing: what must happen once is claimed in the database by whoever holds the lease. So when
Redis is away, everybody holds it, and the claims alone keep order.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

from redis.asyncio import Redis

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.redis_store import RedisStore, command

SECONDS: Final = 1.0
"""The longest that Redis is waited for."""

PAUSE: Final = 5.0
"""How long Redis is left alone after it failed: meanwhile nobody waits for it."""

_RELEASE: Final = """
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end
return 0
"""
"""Only who took it may give it back: a lease that ran out may be somebody else's by now."""


class RedisLease:
    """Implements `envelopes.identity.refresh.Lease`. Make it inside the running loop, close it there."""

    __slots__ = ("_held", "_prefix", "_store")

    def __init__(self, url: Secret, *, tenant: str) -> None:
        """`url` is ``redis://…``, ``rediss://…`` or ``unix://…``. Raises `ConfigurationError` for any other."""
        self._prefix = f"mcp-gateway:{tenant}:lease:"
        self._held: dict[str, str] = {}
        self._store = RedisStore(url, purpose="lease store", seconds=SECONDS, pause=PAUSE)

    @property
    def failures(self) -> int:
        """How often Redis could not be asked."""
        return self._store.failures

    async def acquire(self, key: str, seconds: float) -> bool:
        """Take the lease of `key` for `seconds`; False if another holds it. True as well while Redis is away."""
        if key in self._held:
            return False
        token = secrets.token_hex(16)
        self._held[key] = token  # also if the answer gets lost: the lease may be ours then
        taken = await self._asked("set", self._name(key), token, "NX", "PX", str(max(1, int(seconds * 1000))))
        if taken is False:
            del self._held[key]
            return False
        return True

    async def release(self, key: str) -> None:
        """Give the lease of `key` back, if it is still ours."""
        token = self._held.pop(key, None)
        if token is not None:
            await self._asked("eval", _RELEASE, "1", self._name(key), token)

    async def close(self) -> None:
        """Close all connections; leases that are held run out by themselves."""
        await self._store.close()

    async def _asked(self, *parts: str) -> bool | None:
        """Whether the command did something; None if Redis cannot be asked."""

        async def done(redis: Redis) -> bool:
            return bool(await command(redis, *parts))

        return await self._store.ask(done)

    def _name(self, key: str) -> str:
        # Keys hold names of people: what reads Redis need not see them.
        return self._prefix + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
