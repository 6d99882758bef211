"""`mcp-gateway usage`: sums for people, for programs, for spreadsheets."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.envelopes.observability.ledger.entry import Entry, write_entry
from mcp_gateway.envelopes.observability.ledger.rows import Rows
from tests.envelopes.observability.ledger.support import TENANT, entry
from tests.settings.files import write
from tests.support_state import sqlite_url

GATEWAY = """\
upstreams:
  time: {command: [mcp-server-time]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write(tmp_path, GATEWAY)
    (tmp_path / "data").mkdir()
    made = sqlite_url(tmp_path)
    shutil.move(made.reveal().removeprefix("sqlite:///"), tmp_path / "data" / "gateway.db")
    return path


def used(config: Path, *entries: Entry) -> None:
    async def put() -> None:
        database = Database(Secret(f"sqlite:///{config.parent}/data/gateway.db"))
        await Rows(database, tenant=TENANT).put([write_entry(each) for each in entries])
        await database.close()

    asyncio.run(put())


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["usage", *arguments, "--config", str(config)])


@pytest.fixture
def spent(config: Path) -> Path:
    used(
        config,
        entry(metadata={"team": "payments", "project_id": "p1"}),
        entry(metadata={"team": "payments", "project_id": "p1"}, cost=1),
        entry(metadata={"team": "data", "project_id": "=cmd()"}, cost=None),
        entry(metadata={"team": "old", "project_id": "p0"}, at=time.time() - 30 * 86400),
    )
    return config


def test_json_holds_every_figure(spent: Path) -> None:
    done = run(spent, "--by", "team,project_id", "--since", "7d", "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["by"] == ["team", "project_id"]
    figures = {"requests": 2, "attempts": 2, "input_tokens": 2000, "output_tokens": 200, "unpriced": 0}
    assert facts["groups"][0] == {"keys": {"team": "payments", "project_id": "p1"}, "cost_usd": 0.000210001, **figures}
    assert [group["keys"]["team"] for group in facts["groups"]] == ["payments", "data"]
    assert (facts["total"]["requests"], facts["total"]["unpriced"]) == (3, 1)


def test_csv_adds_up_exactly_and_holds_no_formulas(spent: Path) -> None:
    done = run(spent, "--by", "team,project_id", "--csv")
    first, second = csv.DictReader(io.StringIO(done.stdout))
    assert (first["team"], first["requests"], first["cost_usd"]) == ("payments", "2", "0.000210001")
    assert (second["project_id"], second["unpriced"]) == ("'=cmd()", "1")


def test_a_table_for_people_says_what_has_no_price(spent: Path) -> None:
    done = run(spent, "--by", "team", "--since", "90d")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["team", "Requests"]
    assert [line.split()[0] for line in lines[1:]] == ["payments", "old", "data", "Total"]
    assert "1 attempt is not known" in done.stderr


def test_nothing_used_is_said_and_fine(config: Path) -> None:
    done = run(config)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Nothing was used" in done.stderr
    assert json.loads(run(config, "--json").stdout)["groups"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--by", ""],
        ["--by", "a,b,c,d,e,f,g,h,i"],
        ["--by", "two words"],
        ["--since", "soon"],
        ["--csv", "--json"],
    ],
    ids=str,
)
def test_wrong_usage_is_two(config: Path, arguments: list[str]) -> None:
    done = run(config, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr
