"""Where the record is shipped to is down, locked or read-only: no call fails or waits, and all arrives later."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_gateway.core.state.current import run_migrations
from mcp_gateway.core.state.revision import AUDIT
from mcp_gateway.envelopes.observability.audit.shipping import shipper as module
from tests.envelopes.observability.audit.shipping.support import lines
from tests.faults.agents import Agent, agent
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving
from tests.support_postgres import Postgres, postgres
from tests.upstreams.evil import EvilMCP

CALLS = 30


@dataclass(frozen=True, slots=True)
class Target:
    """A database that copies go to."""

    server: Postgres
    name: str

    def rows(self) -> list[str]:
        return self.server.sql("SELECT line FROM mcp_audit ORDER BY chain, seq", self.name).splitlines()


@pytest.fixture
def target() -> Iterator[Target]:
    server, name = postgres(), f"ship_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE {name}")
    asyncio.run(run_migrations(server.url(name), AUDIT))
    yield Target(server, name)
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.5)


@asynccontextmanager
async def site(folder: Path, target: Target) -> AsyncIterator[tuple[Gateway, Agent]]:
    """A gateway whose record is shipped to `target`, and an agent that may call what may change something."""
    (folder / "virtual_servers").mkdir()
    spec = {"name": "desk", "sources": [{"upstream": "evil"}]}
    (folder / "virtual_servers/desk.yaml").write_text(json.dumps(spec))
    (folder / "database").write_text(target.server.url(target.name).reveal())
    async with EvilMCP() as evil, Double() as double:
        audit = {"path": "audit", "ship": [{"to": "file:database", "name": "pg"}]}
        files = {"upstreams": {"evil": {"url": evil.url}}, "telemetry": {"audit": audit}}
        async with serving(folder, double, gateway=files) as gateway:
            yield gateway, await agent(f"{gateway.url}/servers/desk/mcp", "modern")


@contextmanager
def down(target: Target) -> Iterator[None]:
    target.server.stop()
    try:
        yield
    finally:
        target.server.start()


@contextmanager
def read_only(target: Target) -> Iterator[None]:
    target.server.sql(f"ALTER DATABASE {target.name} SET default_transaction_read_only = on")
    target.server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{target.name}' AND application_name = 'mcp-gateway'"
    )
    try:
        yield
    finally:
        target.server.sql(f"ALTER DATABASE {target.name} SET default_transaction_read_only = off")


@contextmanager
def locked(target: Target) -> Iterator[None]:
    """Somebody holds the table for ten seconds; whoever waits for it is not told."""
    sql = "BEGIN; LOCK TABLE mcp_audit; SELECT pg_sleep(10); COMMIT"
    holder = threading.Thread(target=target.server.sql, args=(sql, target.name))
    holder.start()
    held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation IS NOT NULL"
    while target.server.sql(held, target.name) == "0":
        pass
    try:
        yield
    finally:
        holder.join()


@contextmanager
def no_table(target: Target) -> Iterator[None]:
    target.server.sql("ALTER TABLE mcp_audit RENAME TO mcp_audit_away", target.name)
    try:
        yield
    finally:
        target.server.sql("ALTER TABLE mcp_audit_away RENAME TO mcp_audit", target.name)


Fault = Callable[[Target], AbstractContextManager[None]]


def shown(gateway: Gateway, name: str) -> int:
    """A metric of the target."""
    prefix = f'mcp_gateway_audit_{name}{{target="pg"}} '
    (line,) = [each for each in gateway.here.gateway.control.metrics().splitlines() if each.startswith(prefix)]
    return int(line.removeprefix(prefix))


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not there():
            await asyncio.sleep(0.02)


async def calls(here: Agent) -> None:
    answers = await asyncio.gather(*(here.call("ok") for _ in range(CALLS)))
    assert all("result" in answer for answer in answers)


@pytest.mark.parametrize("fault", [down, read_only, locked, no_table], ids=lambda fault: fault.__name__)
async def test_no_call_fails_and_all_arrives_later(tmp_path: Path, target: Target, fault: Fault) -> None:
    async with site(tmp_path, target) as (gateway, here):
        await calls(here)
        await until(lambda: shown(gateway, "behind_records") == 0)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, fault(target))
            await calls(here)
            await until(lambda: shown(gateway, "behind_records") >= 2 * CALLS)
            await until(lambda: shown(gateway, "ship_failing") == 1)
            ready, detail = gateway.here.gateway.control.ready()
            assert ready and detail == "ready; the record of calls is not shipped to: pg"
            assert shown(gateway, "ship_failures_total") > 0
            await calls(here)
            await asyncio.to_thread(stack.close)
        await calls(here)
        await until(lambda: shown(gateway, "behind_records") == 0)
        assert gateway.here.gateway.control.ready() == (True, "ready")
        assert shown(gateway, "ship_missing_total") == 0
    assert await asyncio.to_thread(target.rows) == lines(tmp_path / "audit")


async def test_a_target_that_is_down_at_the_start(tmp_path: Path, target: Target) -> None:
    with ExitStack() as stack:
        stack.enter_context(down(target))
        async with site(tmp_path, target) as (gateway, here):
            await calls(here)
            await until(lambda: shown(gateway, "ship_failing") == 1)
            await asyncio.to_thread(stack.close)
            await until(lambda: shown(gateway, "behind_records") == 0 and shown(gateway, "ship_failing") == 0)
    assert target.rows() == lines(tmp_path / "audit")


async def test_a_gateway_that_ends_while_its_target_is_down_leaves_the_rest(tmp_path: Path, target: Target) -> None:
    with down(target):
        async with site(tmp_path, target) as (gateway, here):
            await calls(here)
            await until(lambda: shown(gateway, "ship_failing") == 1)
    assert target.rows() == []
    (tmp_path / "virtual_servers/desk.yaml").unlink()
    (tmp_path / "virtual_servers").rmdir()
    async with site(tmp_path, target) as (gateway, _):
        await until(lambda: shown(gateway, "behind_records") == 0)
    assert target.rows() == lines(tmp_path / "audit")
