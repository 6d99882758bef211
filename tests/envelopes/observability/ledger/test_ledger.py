"""The ledger on both databases: every entry once, sums that agree with it, nothing lost whatever fails."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.envelopes.observability.ledger.entry import write_entry
from mcp_gateway.envelopes.observability.ledger.ledger import StoredLedger
from mcp_gateway.envelopes.observability.ledger.rows import Rows
from tests.envelopes.observability.ledger.support import TENANT, entry, ledger_rows, spend_rows
from tests.support import ROOT
from tests.support_postgres import postgres
from tests.support_state import KINDS, fresh, migrated


@pytest.fixture(params=KINDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secret]:
    """A fresh database at the present revision, of each kind."""
    with fresh(request.param, tmp_path) as url:
        yield url


async def delivered(url: Secret, folder: Path) -> tuple[list[str], list[dict[str, object]]]:
    """The ids in the database, and its sums, once what is in the spool was delivered."""
    database = Database(url)
    ledger = StoredLedger(database, folder, tenant=TENANT)
    ledger.start()
    await ledger.close()
    ids = [row["id"] for row in await ledger_rows(database)]
    sums = await spend_rows(database)
    await database.close()
    return ids, sums


async def test_entries_are_rows_with_everything_they_had(state_url: Secret, tmp_path: Path) -> None:
    database = Database(state_url)
    ledger = StoredLedger(database, tmp_path / "spool", tenant=TENANT)
    ledger.start()
    made = entry(metadata={"team": "payments", "ticket.id/ü": 'A-1"'}, reasoning=7, snapshot="abc", seconds=0.5)
    ledger.write(made)
    ledger.write(
        entry(plane="mcp", asked="book", target="ledger/post", provider="ledger", cost=2_000_000, status="x\0")
    )
    await ledger.close()
    first, second = await ledger_rows(database)
    assert first == {
        **made._asdict(),
        "tenant": TENANT,
        "teams": '["payments"]',
        "last": 1,
        "metadata": dict(made.metadata),
    }
    assert (second["cost"], second["status"]) == (2_000_000, "x\N{REPLACEMENT CHARACTER}")
    await database.close()


async def test_what_is_given_twice_counts_once(state_url: Secret) -> None:
    database = Database(state_url)
    rows = Rows(database, tenant=TENANT)
    made = [write_entry(entry(at=7200.0 + number, cost=None if number % 2 else 5)) for number in range(10)]
    await rows.put(made[:6])
    await asyncio.gather(rows.put(made[3:]), rows.put(made), rows.put([*made, *made]))
    await rows.put([b"no entry", made[0]])
    assert rows.unreadable == 1
    assert len(await ledger_rows(database)) == 10
    (sums,) = await spend_rows(database)
    assert (sums["hour"], sums["attempts"], sums["requests"], sums["unpriced"]) == (2, 10, 10, 5)
    assert (sums["input"], sums["output"], sums["cost"]) == (10_000, 1_000, 25)
    await database.close()


async def test_sums_are_apart_for_all_that_can_be_grouped_by(state_url: Secret) -> None:
    database = Database(state_url)
    kinds: list[dict[str, Any]] = [
        {},
        {"principal": "corp|bob"},
        {"teams": ("a", "b")},
        {"metadata": {"k": "v"}},
        {"status": "upstream_timeout"},
        {"target": "anthropic-main/x"},
        {"at": 7_200.0},
    ]
    made = [entry(**{"at": 3_600.0, **kind}) for kind in kinds]
    await Rows(database, tenant=TENANT).put([write_entry(each) for each in made for _ in (1, 2)])
    assert [sums["attempts"] for sums in await spend_rows(database)] == [1] * len(kinds)
    await database.close()


@pytest.mark.parametrize(("kind", "seed"), [("sqlite", 1), ("sqlite", 2), ("sqlite", 3), ("postgresql", 4)])
async def test_a_killed_process_loses_nothing_it_kept(tmp_path: Path, kind: str, seed: int) -> None:
    dice = random.Random(seed)
    kept: list[str] = []
    with fresh(kind, tmp_path) as url:
        for _ in range(2):
            command = [sys.executable, "-m", "tests.envelopes.observability.ledger.writing", url.reveal(), "spool"]
            command[-1] = str(tmp_path / "spool")
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                for _ in range(dice.randrange(1, 2500)):
                    kept.append(child.stdout.readline().strip())
                child.kill()
                kept += [line.strip() for line in child.stdout if line.endswith("\n")]
        ids, sums = await delivered(url, tmp_path / "spool")
    assert len(ids) == len(set(ids))
    assert set(kept) <= set(ids)
    assert sum(int(str(each["attempts"])) for each in sums) == len(ids)
    assert sum(int(str(each["cost"])) for each in sums) == 210_000 * len(ids)


async def test_a_database_that_goes_and_comes_delays_entries(tmp_path: Path) -> None:
    server = postgres()
    server.sql("CREATE DATABASE ledger_away")
    url = server.url("ledger_away")
    migrated(url)
    database = Database(url, seconds=1.0)
    ledger = StoredLedger(database, tmp_path, tenant=TENANT)
    ledger.start()
    first = entry()
    ledger.write(first)
    while not await ledger_rows(database):
        await asyncio.sleep(0.01)
    server.stop()
    try:
        with capture_logs() as logs:
            second = entry()
            ledger.write(second)
            while not any(line["event"].startswith("not delivered") for line in logs):
                await asyncio.sleep(0.01)
    finally:
        server.start()
    while len(found := await ledger_rows(database)) < 2:
        await asyncio.sleep(0.01)
    assert [row["id"] for row in found] == [first.id, second.id]
    assert ledger.drain.spool.counts.dropped == 0
    await ledger.close()
    await database.close()
    server.sql("DROP DATABASE ledger_away WITH (FORCE)")


async def test_entries_wait_for_the_next_process_where_there_is_no_database(tmp_path: Path) -> None:
    away = Database(Secret("postgresql://gateway:none@127.0.0.1:1/none"), seconds=0.5)
    ledger = StoredLedger(away, tmp_path / "spool", tenant=TENANT, sync="always")
    ledger.start()
    made = [entry() for _ in range(20)]
    for each in made:
        ledger.write(each)
    assert await ledger.drain.synced()
    await ledger.drain.close(0.2)
    await away.close()
    with fresh("sqlite", tmp_path) as url:
        ids, _ = await delivered(url, tmp_path / "spool")
    assert ids == sorted(each.id for each in made)


async def test_a_full_spool_drops_and_counts_and_says_so(tmp_path: Path) -> None:
    with fresh("sqlite", tmp_path) as url:
        database = Database(url)
        ledger = StoredLedger(database, tmp_path / "spool", tenant=TENANT, max_bytes=5_000)
        made = [entry() for _ in range(50)]
        for each in made:
            ledger.write(each)
        dropped = ledger.drain.spool.counts.dropped
        assert 0 < dropped < 50
        with capture_logs() as logs:
            ledger.start()
            await ledger.close()
        assert next(line for line in logs if line["event"] == "records were lost")["dropped"] == dropped
        assert len(await ledger_rows(database)) == 50 - dropped
        await database.close()


def test_a_folder_that_cannot_be_written_to_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Database(Secret(f"sqlite:///{tmp_path}/a.db"))
    with pytest.raises(OSError):
        StoredLedger(database, tmp_path / "file", tenant=TENANT)
