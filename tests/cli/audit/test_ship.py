"""`mcp-gateway audit ship`, `audit verify --from` and `migrate` with copies of the record."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app
from mcp_gateway.core.filelock import locked
from mcp_gateway.envelopes.observability.audit.shipping.cursor import FOLDER
from tests.cli.audit.running import run
from tests.envelopes.observability.audit.shipping.collecting import Collector, over_grpc, over_http
from tests.envelopes.observability.audit.shipping.support import lines
from tests.envelopes.observability.audit.support import files
from tests.support_postgres import Postgres, postgres


@pytest.fixture
def server(config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Postgres, str]]:
    """A database without tables, and a file, that the record of five calls is to be shipped to."""
    here, name = postgres(), f"copies_{secrets.token_hex(4)}"
    here.sql(f"CREATE DATABASE {name}")
    monkeypatch.setenv("AUDIT_DATABASE", here.url(name).reveal())
    text = config.read_text().replace("{path: audit}", "{path: audit, ship: [{to: env:AUDIT_DATABASE}, {to: c.jsonl}]}")
    config.write_text(text)
    yield here, name
    here.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_from_migrating_to_proving(config: Path, server: tuple[Postgres, str]) -> None:
    here, name = server
    done = run(config, "audit", "ship", "--once")
    assert done.exit_code == 1
    assert "postgresql: 8 records (" in done.stdout and "not taken: UndefinedTableError/42P01" in done.stdout
    assert "file: 0 records (0 bytes) behind" in done.stdout
    assert run(config, "migrate", "--check").exit_code == 1
    done = run(config, "migrate", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["audit"] == [
        {"name": "postgresql", "state": "current", "revision": "0001", "needed": "0001", "changed": True}
    ]
    assert run(config, "migrate").stdout.splitlines() == [
        "state.database: The database is up to date.",
        "postgresql: The database is up to date.",
    ]
    told = json.loads(run(config, "audit", "ship", "--status", "--json").stdout)["targets"]
    assert [(each["name"], each["behind_records"], each["at"] is None) for each in told] == [
        ("postgresql", 8, True),
        ("file", 0, False),
    ]
    done = run(config, "audit", "ship", "--once", "--to", "postgresql", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)["targets"]
    (chain,) = told["chains"].values()
    assert (told["shipped"], told["behind_bytes"], told["failing"], chain["seq"]) == (8, 0, "", 8)
    assert "postgresql: 0 records (0 bytes) behind, took something last at 20" in run(config, "audit", "ship").stdout
    rows = here.sql("SELECT line FROM mcp_audit ORDER BY chain, seq", name)
    assert rows.splitlines() == lines(config.parent / "audit")
    (config.parent / "rows.jsonl").write_text(f"{rows}\n")
    for copy in ("postgresql", "file", "env:AUDIT_DATABASE", str(config.parent / "rows.jsonl")):
        done = run(config, "audit", "verify", "--from", copy)
        assert done.exit_code == 0, done.output
        assert done.stdout.endswith("8 records in 1 chain: as they were written.\n")


def test_a_copy_that_was_tampered_with(config: Path, server: tuple[Postgres, str]) -> None:
    here, name = server
    run(config, "migrate")
    assert run(config, "audit", "ship", "--once").exit_code == 0
    here.sql("UPDATE mcp_audit SET line = replace(line, 'corp|alice', 'corp|mallo') WHERE seq = 3", name)
    done = run(config, "audit", "verify", "--from", "postgresql")
    assert done.exit_code == 1 and "postgresql:3: seq 3: this record was changed" in done.stdout
    here.sql("DELETE FROM mcp_audit WHERE seq = 3", name)
    assert "record 3 is missing before it" in run(config, "audit", "verify", "--from", "postgresql").stdout
    here.sql("DELETE FROM mcp_audit WHERE seq >= 3", name)
    done = run(config, "audit", "verify", "--from", "postgresql")
    assert done.exit_code == 1 and "8 records were taken, and 2 are there" in done.stdout
    here.sql("DELETE FROM mcp_audit", name)
    assert run(config, "audit", "verify", "--from", "postgresql").exit_code == 1


def test_what_is_exported_is_a_copy(config: Path) -> None:
    exported = run(config, "audit", "export")
    copy = config.parent / "exported.jsonl"
    copy.write_text(exported.stdout)
    assert copy.read_text().splitlines() == lines(config.parent / "audit")
    assert run(config, "audit", "verify", "--from", str(copy)).exit_code == 0
    later = run(config, "audit", "export", "--since", "2026-01-01T00:00:00.003").stdout
    part = [line for line in later.splitlines() if json.loads(line)["seq"] > 4]
    copy.write_text("\n".join(part) + "\n")
    assert run(config, "audit", "verify", "--from", str(copy)).exit_code == 1
    assert run(config, "audit", "verify", "--from", str(copy), "--part").exit_code == 0
    done = CliRunner().invoke(
        app, ["audit", "verify", "--from", "-", "--config", str(config)], input=exported.stdout_bytes
    )
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("audit", "verify", "--from", "nowhere.jsonl"), "cannot read"),
        (("audit", "verify", "--from", "mysql://h/d"), "expected postgresql://"),
        (("audit", "verify", "--from", "postgresql://u:canary@h/d"), "a literal secret is refused"),
        (("audit", "verify", "--from", "https://collector.example.com"), "a collector cannot be asked"),
        (("audit", "verify", "--from", "postgresql://gateway@127.0.0.1:1/none"), "the database cannot be read"),
        (("audit", "verify", "x", "--from", "y"), "one of PATH and --from"),
        (("audit", "ship"), "there is nothing in `telemetry.audit.ship`"),
        (("audit", "ship", "--once", "--status"), "one of --once and --status"),
    ],
)
def test_what_cannot_be(config: Path, arguments: tuple[str, ...], told: str) -> None:
    done: Result = run(config, *arguments)
    assert done.exit_code == 2 and told in done.output and "canary" not in done.output


def test_what_another_process_ships_is_left_to_it(config: Path) -> None:
    config.write_text(config.read_text().replace("{path: audit}", "{path: audit, ship: [{to: c.jsonl}]}"))
    (config.parent / "audit" / FOLDER).mkdir()
    lock = locked(config.parent / "audit" / FOLDER / "file.lock", wait=False)
    assert lock is not None
    done = run(config, "audit", "ship", "--once")
    assert done.exit_code == 1 and "another process ships there now" in done.stdout
    os.close(lock)
    assert run(config, "audit", "ship", "--once", "--to", "file").exit_code == 0
    assert run(config, "audit", "ship", "--to", "other").exit_code == 2
    assert len(files(config.parent / "audit")) == 1


@pytest.mark.parametrize(("protocol", "receiving"), [("http", over_http), ("grpc", over_grpc)])
def test_to_a_collector(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    receiving: Callable[[], AbstractContextManager[Collector]],
) -> None:
    monkeypatch.setenv("TOKEN", "Bearer canary")
    with receiving() as collector:
        place = f"{{to: '{collector.url}', protocol: {protocol}, headers: {{Authorization: env:TOKEN}}}}"
        config.write_text(config.read_text().replace("{path: audit}", f"{{path: audit, ship: [{place}]}}"))
        done = run(config, "audit", "ship", "--once")
        assert done.exit_code == 0 and "otlp: 0 records (0 bytes) behind" in done.stdout
        assert collector.bodies() == lines(config.parent / "audit")
        assert {each["authorization"] for each in collector.headers} == {"Bearer canary"}
        assert collector.resources[0]["service.name"] == "mcp-gateway"
        assert run(config, "audit", "verify", "--from", "otlp").exit_code == 2
    done = run(config, "audit", "ship", "--status", "--json")
    assert "canary" not in done.output and json.loads(done.stdout)["targets"][0]["behind_records"] == 0
