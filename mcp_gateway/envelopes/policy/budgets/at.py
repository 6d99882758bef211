"""Where the configuration has budgets kept."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore, Store

_REDIS: Final = "mcp_gateway.envelopes.policy.budgets.redis_store"
"""Loaded by name, when the gateway starts and only if it is configured (docs/decisions/006)."""


def budgets_at(redis: Secret | None, *, tenant: str) -> Store:
    """Accounts in the Redis server at `redis`, else in memory. Raises `ConfigurationError` for a URL that is none."""
    if redis is None:
        return MemoryStore()
    made: Store = import_module(_REDIS).RedisAccounts(redis, tenant=tenant)
    return made
