"""The lease that the configuration asks for."""

from __future__ import annotations

from importlib import import_module
from typing import Final, Protocol

from mcp_gateway.core.secret import Secret

_REDIS: Final = "mcp_gateway.core.state.redis_lease"
"""Loaded by name, when the gateway starts and only if it is configured: its client would be a tenth of the memory of a
gateway that has no use for it (docs/decisions/006)."""


class Lease(Protocol):
    """Keeps processes from trying the same at the same time. What must happen once is claimed in the database."""

    @property
    def failures(self) -> int:
        """How often what it is kept in could not be asked; everybody was let go first then."""
        ...

    async def acquire(self, key: str, seconds: float) -> bool:
        """Take the lease of `key` for `seconds`; False if another holds it."""
        ...

    async def release(self, key: str) -> None:
        """Give it back."""
        ...

    async def close(self) -> None:
        """Close what it holds open."""
        ...


class NoLease:
    """Everybody may try: the claims in the database alone keep order."""

    __slots__ = ()

    @property
    def failures(self) -> int:
        return 0

    async def acquire(self, key: str, seconds: float) -> bool:
        return True

    async def release(self, key: str) -> None:
        """Nothing was taken."""

    async def close(self) -> None:
        """Nothing is open."""


def lease_at(redis: Secret | None, *, tenant: str) -> Lease:
    """The lease in the Redis server at `redis`, or none. Raises `ConfigurationError` for a URL that is none."""
    if redis is None:
        return NoLease()
    made: Lease = import_module(_REDIS).RedisLease(redis, tenant=tenant)
    return made
