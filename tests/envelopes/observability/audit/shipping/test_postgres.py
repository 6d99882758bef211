"""Copies in a real PostgreSQL: each record once, whatever arrives again, and proved there."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.current import run_migrations
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.revision import AUDIT, Standing, standing
from mcp_gateway.envelopes.observability.audit.copies import verify_copy
from mcp_gateway.envelopes.observability.audit.shipping.postgres import PostgresTarget
from mcp_gateway.envelopes.observability.audit.shipping.target import MemoryTarget, NotTaken
from tests.envelopes.observability.audit.shipping.support import lines, shipper
from tests.envelopes.observability.audit.support import SIGNER, begin, call, files, written
from tests.support_postgres import Postgres, postgres


@dataclass(frozen=True, slots=True)
class Copies:
    """A database for copies."""

    server: Postgres
    name: str

    def target(self, *, tenant: str = "default", seconds: float = 10.0) -> PostgresTarget:
        return PostgresTarget(self.server.url(self.name), tenant=tenant, seconds=seconds)

    def sql(self, statement: str) -> str:
        return self.server.sql(statement, self.name)

    def lines(self) -> list[str]:
        target = self.target()
        try:
            return [line.decode().removesuffix("\n") for _, line in target.lines()]
        finally:
            target.close()


@pytest.fixture
def empty() -> Iterator[Copies]:
    server, name = postgres(), f"audit_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE {name}")
    yield Copies(server, name)
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def copies(empty: Copies) -> Copies:
    asyncio.run(run_migrations(empty.server.url(empty.name), AUDIT))
    return empty


def test_rows_are_the_record(copies: Copies, tmp_path: Path) -> None:
    chain = begin(tmp_path)
    odd = {"principal": "corp|a\x00b\udcff'\"", "server": "x" * 2000, "reason": 7, "outcome": None}
    for number in range(1100):
        chain.append(call(number) | (odd if number == 3 else {}) | ({"time": "soon"} if number == 4 else {}))
    chain.close()
    here = shipper(tmp_path, copies.target())
    assert here.once(), here.failing
    assert copies.lines() == lines(tmp_path)
    assert here.counts.shipped == len(lines(tmp_path))
    assert copies.sql("SELECT count(*), count(DISTINCT hash), count(at), max(length(server)) FROM mcp_audit") == (
        f"{here.counts.shipped}|{here.counts.shipped}|{here.counts.shipped - 1}|512"
    )
    found = copies.sql("SELECT event, principal, outcome, at AT TIME ZONE 'UTC' FROM mcp_audit WHERE seq = 2")
    assert found == "call|corp|alice|ok|2026-01-01 00:00:00"
    target = copies.target()
    report = verify_copy((line for _, line in target.lines()), Path("copy"), SIGNER)
    target.close()
    assert report.sound and report.anchors == 1 and report.records == here.counts.shipped


def test_what_arrives_again_changes_nothing(copies: Copies, tmp_path: Path) -> None:
    written(tmp_path, 10)
    for name in ("one", "two", "three"):
        assert shipper(tmp_path, copies.target(), name=name).once()
    assert copies.lines() == lines(tmp_path)


def test_what_was_changed_after_it_was_shipped_is_kept_beside_it(copies: Copies, tmp_path: Path) -> None:
    written(tmp_path, 3)
    assert shipper(tmp_path, copies.target()).once()
    before = lines(tmp_path)
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"aabbccddeeff-1", b"aabbccddeeff-9"))
    assert shipper(tmp_path, copies.target(), name="again").once()
    assert copies.lines() == before, "the changed line says it is the record that is there"


def test_a_role_that_may_only_insert_is_enough(copies: Copies, tmp_path: Path) -> None:
    role = f"writer_{secrets.token_hex(4)}"
    copies.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'w'; GRANT INSERT ON mcp_audit TO {role}")
    try:
        url = copies.server.url(copies.name).reveal().replace("//gateway:", f"//{role}:")
        url = url.replace(copies.server.password, "w")
        written(tmp_path, 3)
        for name in ("one", "two"):
            here = shipper(tmp_path, PostgresTarget(Secret(url), tenant="default"), name=name)
            assert here.once(), here.failing
        assert copies.lines() == lines(tmp_path)
    finally:
        copies.sql(f"REVOKE ALL ON mcp_audit FROM {role}; DROP ROLE {role}")


def test_tenants_are_apart(copies: Copies, tmp_path: Path) -> None:
    written(tmp_path, 1)
    assert shipper(tmp_path, copies.target(tenant="other")).once()
    assert copies.lines() == []


def test_without_a_table_it_says_what_to_do(empty: Copies, tmp_path: Path) -> None:
    written(tmp_path, 1)
    here = shipper(tmp_path, empty.target())
    with capture_logs() as logs:
        assert not here.once() and here.failing == "UndefinedTableError/42P01"
    assert logs[-1]["hint"] == "run `mcp-gateway migrate`"
    asyncio.run(_migrated_twice(empty.server.url(empty.name)))
    assert here.once()
    assert len(empty.lines()) == 3


async def _migrated_twice(url: Secret) -> None:
    for _ in range(2):
        await run_migrations(url, AUDIT)
    database = Database(url)
    assert await standing(database, AUDIT) == (Standing.CURRENT, "0001")
    assert await standing(database) == (Standing.BEHIND, None), "the state's tables are others"
    await database.close()


@pytest.mark.parametrize(
    ("how", "kinds"),
    [
        ("read-only", {"ReadOnlySQLTransactionError/25006"}),
        ("locked", {"TimeoutError", "LockNotAvailableError/55P03"}),
        ("down", {"ConnectionRefusedError", "OSError"}),
        ("no such password", {"InvalidPasswordError/28P01"}),
    ],
)
def test_a_database_that_takes_nothing(copies: Copies, tmp_path: Path, how: str, kinds: set[str]) -> None:
    written(tmp_path, 3)
    target = copies.target(seconds=1.0)
    here = shipper(tmp_path, target)
    if how == "read-only":
        copies.server.sql(f"ALTER DATABASE {copies.name} SET default_transaction_read_only = on")
        assert not here.once()
        copies.server.sql(f"ALTER DATABASE {copies.name} SET default_transaction_read_only = off")
    elif how == "locked":
        done, held = threading.Event(), threading.Thread(target=_hold, args=(copies, 3))
        held.start()
        while copies.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted") == "0":
            assert not done.wait(0.02)
        assert not here.once()
        held.join()
    elif how == "down":
        copies.server.stop()
        try:
            assert not here.once()
        finally:
            copies.server.start()
    else:
        bad = shipper(tmp_path, PostgresTarget(copies.server.url(copies.name, password="x"), tenant="default"))
        assert not bad.once()
        here = bad
    assert here.failing in kinds
    assert shipper(tmp_path, copies.target()).once()
    assert copies.lines() == lines(tmp_path)


def _hold(copies: Copies, seconds: int) -> None:
    copies.sql(f"BEGIN; LOCK TABLE mcp_audit; SELECT pg_sleep({seconds}); COMMIT")


def test_a_connection_that_was_cut_is_made_again(copies: Copies, tmp_path: Path) -> None:
    written(tmp_path, 3)
    memory = MemoryTarget()
    assert shipper(tmp_path, memory, name="memory").once()
    target = copies.target()
    target.send(memory.items[:2])
    copies.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mcp-gateway'")
    with pytest.raises(NotTaken):
        target.send(memory.items)
    target.send(memory.items)
    target.close()
    assert copies.lines() == lines(tmp_path)


def test_no_secret_is_in_what_is_raised(copies: Copies) -> None:
    target = copies.target()
    copies.sql("DROP TABLE mcp_audit")
    with pytest.raises(NotTaken) as raised:
        list(target.lines())
    target.close()
    assert raised.value.__cause__ is None and raised.value.__context__ is None
    assert copies.server.password not in repr(raised.value) + repr(target)
