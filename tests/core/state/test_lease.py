"""The lease that the configuration asks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.lease import lease_at
from tests.support import ROOT
from tests.support_redis import redis_server


async def test_without_redis_everybody_may_try() -> None:
    one, two = lease_at(None, tenant="one"), lease_at(None, tenant="one")
    assert await one.acquire("key", 60) and await two.acquire("key", 60)
    await one.release("key")
    for lease in (one, two):
        await lease.close()


async def test_with_redis_one_holds_it_for_all_of_a_tenant(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        one, two, other = (lease_at(server.url, tenant=tenant) for tenant in ("one", "one", "other"))
        assert await one.acquire("key", 60)
        assert not await two.acquire("key", 60)
        assert await other.acquire("key", 60)
        await one.release("key")
        assert await two.acquire("key", 60)
        for lease in (one, two, other):
            await lease.close()


async def test_a_wrong_address_is_refused_without_quoting_it() -> None:
    with pytest.raises(ConfigurationError, match="no URL of a Redis server") as refusal:
        lease_at(Secret("amqp://:canary-redis@127.0.0.1/0"), tenant="one")
    assert "canary-redis" not in str(refusal.value)


def test_the_client_is_loaded_only_where_it_is_configured() -> None:
    program = """
import sys
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.lease import lease_at
lease_at(None, tenant="one")
print("redis" in sys.modules)
lease_at(Secret("redis://127.0.0.1:1/0"), tenant="one")
print("redis" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
