"""`mcp-gateway migrate` and `mcp-gateway vault`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.revision import REVISIONS
from tests.settings.files import GATEWAY, write
from tests.support_postgres import postgres

OLD, NEW = "old-0123456789abcdefghijklmnopqrstuv", "new-0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A gateway on an empty PostgreSQL database."""
    server = postgres()
    server.sql("CREATE DATABASE cli")
    monkeypatch.setenv("DSN", server.url("cli").reveal())
    monkeypatch.setenv("OLD", OLD)
    monkeypatch.setenv("NEW", NEW)
    yield write(tmp_path, GATEWAY + "state: {database: env:DSN, encryption_keys: [env:OLD]}\n")
    server.sql("DROP DATABASE cli WITH (FORCE)")


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])


def test_migrating_makes_what_other_commands_demand(config: Path) -> None:
    done = run(config, "keys", "list")
    assert done.exit_code == 2
    assert "run `mcp-gateway migrate`" in done.stderr
    done = run(config, "migrate", "--check", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"state": "behind", "revision": None, "needed": REVISIONS[-1], "changed": False}
    done = run(config, "migrate", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["changed"] is True
    for arguments in (["migrate"], ["migrate", "--check"], ["keys", "list"]):
        assert run(config, *arguments).exit_code == 0
    assert run(config, "keys", "create", "nightly").exit_code == 0


def test_a_database_of_a_newer_version_is_two_and_left_alone(config: Path) -> None:
    run(config, "migrate")
    asyncio.run(_write(postgres().url("cli"), "UPDATE mcp_revision SET version_num = '9999'"))
    done = run(config, "migrate")
    assert done.exit_code == 2
    assert "newer version" in done.stderr
    assert run(config, "migrate", "--check").exit_code == 1
    assert run(config, "keys", "list").exit_code == 2


def test_a_new_first_key_takes_over(config: Path) -> None:
    run(config, "migrate")
    assert run(config, "vault", "status").exit_code == 0
    both = GATEWAY + "state: {database: env:DSN, encryption_keys: [env:NEW, env:OLD]}\n"
    write(config.parent, both)
    done = run(config, "vault", "status", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"first_key": 0, "other_keys": 1, "others_needed": True}
    assert run(config, "vault", "status").exit_code == 1
    done = run(config, "vault", "rewrap")
    assert (done.exit_code, done.stdout) == (0, "1 sealed under the first key. No other key is needed.\n")
    write(config.parent, both.replace(", env:OLD", ""))
    assert run(config, "vault", "status").exit_code == 0
    write(config.parent, both.replace("env:NEW, ", ""))
    done = run(config, "vault", "status")
    assert done.exit_code == 2
    assert "missing or wrong" in done.stderr
    assert OLD not in done.stderr and NEW not in done.stderr


async def _write(url: Secret, statement: str) -> None:
    database = Database(url)
    await database.write(lambda on: on.execute(text(statement)))
    await database.close()
