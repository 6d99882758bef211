"""Where the configuration has calls counted."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.limits.pools import MemoryPools, Pools

_REDIS: Final = "mcp_gateway.envelopes.policy.limits.redis_pools"
"""Loaded by name, when the gateway starts and only if it is configured (docs/decisions/006)."""


def pools_at(redis: Secret | None, *, tenant: str) -> Pools:
    """Pools in the Redis server at `redis`, else in memory. Raises `ConfigurationError` for a URL that is none."""
    if redis is None:
        return MemoryPools()
    made: Pools = import_module(_REDIS).RedisPools(redis, tenant=tenant)
    return made
