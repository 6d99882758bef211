"""The gateway is killed at random moments under load, PostgreSQL behind it: the copy there has every record once.

`AUDIT_KILLS=200 pytest -s tests/real/test_audit_ship_kill.py` kills that often, and prints the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mcp_gateway.core.state.current import run_migrations
from mcp_gateway.core.state.revision import AUDIT
from tests.envelopes.observability.audit.support import files
from tests.real.processes import Gateway, configuration, environment, free_port, gateway, serving, until, whole
from tests.real.wire import Wire
from tests.support_postgres import Postgres, postgres

KILLS = int(os.environ.get("AUDIT_KILLS", "4"))
CALLERS = 4
MOST_SECONDS = 1.5
"""A kill comes within so long of the first answer: before, while and after something is shipped."""

KEY = "a key for nothing but this test, of enough characters"


@dataclass(frozen=True, slots=True)
class Site:
    gateway: Gateway
    folder: Path
    server: Postgres
    database: str
    variables: dict[str, str]

    def rows(self) -> list[str]:
        """Every line at the target."""
        return self.server.sql("SELECT line FROM mcp_audit", self.database).splitlines()

    def lines(self) -> list[str]:
        """Every line of the record on this machine, without halves that a kill left."""
        texts = (file.read_text() for file in files(self.folder / "audit"))
        return [line for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`mcp-gateway` with the configuration of the gateway."""
        line = [sys.executable, "-m", "mcp_gateway", *arguments]
        return subprocess.run(
            line, cwd=self.folder, env=environment(**self.variables), text=True, capture_output=True, check=False
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    server, database = postgres(), f"kills_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE {database}")
    variables = {"AUDIT_KEY": KEY, "AUDIT_DATABASE": server.url(database).reveal()}
    asyncio.run(run_migrations(server.url(database), AUDIT))
    journal = tmp_path / "journal"
    journal.touch()
    with serving("tests.real.upstream", "--journal", str(journal), "--era", "modern") as upstream:
        configuration(tmp_path, f"  up: {{url: {upstream.url}}}\n", {"up": whole("up")}, port=str(free_port()))
        config = tmp_path / "gateway.yaml"
        text = "telemetry: {audit: {path: audit, ship: [{to: env:AUDIT_DATABASE}, {to: copy.jsonl}]}}\n"
        config.write_text(config.read_text() + text + "state: {encryption_keys: [env:AUDIT_KEY]}\n")
        with gateway(tmp_path, **variables) as running:
            yield Site(running, tmp_path, server, database, variables)
    server.sql(f"DROP DATABASE {database} WITH (FORCE)")


async def call_on(site: Site, caller: int, answered: Counter[str]) -> None:
    """One caller in a closed loop, until the gateway is gone."""
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=30) as http:
            wire = Wire(http, site.gateway.url("up"), modern=True)
            for number in itertools.count():
                await wire.call("mark", {"token": f"{caller}x{number}x{random.getrandbits(64):016x}"})
                answered["calls"] += 1


@pytest.mark.timeout(90 + 20 * KILLS)
def test_no_record_is_lost_at_the_target(site: Site) -> None:
    answered: Counter[str] = Counter()

    async def kill() -> None:
        before = answered["calls"]
        callers = [asyncio.create_task(call_on(site, number, answered)) for number in range(CALLERS)]
        await until("an answer", lambda: answered["calls"] > before)
        await asyncio.sleep(random.uniform(0, MOST_SECONDS))
        assert site.gateway.end(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.gather(*callers)

    for number in range(KILLS):
        asyncio.run(kill())
        if number + 1 < KILLS:
            site.gateway.start()
    behind = json.loads(site.command("audit", "ship", "--status", "--json").stdout)["targets"]
    done = site.command("audit", "ship", "--once", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    lines, rows = site.lines(), site.rows()
    copy = (site.folder / "copy.jsonl").read_text().splitlines()
    resent = len(copy) - len(set(copy))
    print(
        f"\n{KILLS} kills, {answered['calls']} calls answered, {len(lines)} records, {len(rows)} rows;"
        f" behind when killed last: {[each['behind_records'] for each in behind]}; twice in the file: {resent}"
    )
    assert len(lines) > 2 * answered["calls"] > 0
    assert sorted(rows) == sorted(lines)
    assert set(copy) == set(lines)
    for name in ("postgresql", "file"):
        verified = site.command("audit", "verify", "--from", name)
        assert verified.returncode == 0, verified.stdout
