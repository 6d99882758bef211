"""`mcp-gateway keys`: the key alone on standard output, once; everything else is told apart by exit codes."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import VirtualAccount
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.load import load
from tests.settings.files import write
from tests.support_state import sqlite_url

GATEWAY = """\
upstreams:
  time: {command: [mcp-server-time]}
identity:
  issuers:
    - {name: corp, issuer: "https://login.example.com/"}
"""
KEY = re.compile(r"mgk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write(tmp_path, GATEWAY)
    (tmp_path / "data").mkdir()
    made = sqlite_url(tmp_path)
    shutil.move(made.reveal().removeprefix("sqlite:///"), tmp_path / "data" / "gateway.db")
    return path


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])


async def found(config: Path, key: str) -> VirtualAccount | None:
    settings = load(config, {})
    state = await State.open(settings.state.database, key_ring(settings.state), settings.state.tenant)
    try:
        return await state.accounts.find(Secret(key))
    finally:
        await state.close()


async def test_the_key_is_alone_on_standard_output_and_works(config: Path) -> None:
    arguments = ["--teams", "ops, data", "--scopes", "desk.use", "--expires", "90d", "--owner", "corp|alice"]
    done = await in_thread(config, "keys", "create", "nightly", *arguments)
    assert done.exit_code == 0, done.stderr
    assert KEY.fullmatch(done.stdout)
    assert done.stdout.strip() not in done.stderr
    account = await found(config, done.stdout.strip())
    assert account is not None
    assert (account.teams, account.scopes, account.owner) == (("ops", "data"), ("desk.use",), "corp|alice")
    assert account.expires_at is not None and abs(account.expires_at - account.created_at - 90 * 86_400) < 60


async def test_rotating_and_revoking(config: Path) -> None:
    first = json.loads((await in_thread(config, "keys", "create", "nightly", "--json")).stdout)["key"]
    second = (await in_thread(config, "keys", "rotate", "nightly", "--grace", "1h")).stdout
    assert KEY.fullmatch(second)
    assert await found(config, first) is not None
    assert await found(config, second.strip()) is not None
    third = json.loads((await in_thread(config, "keys", "rotate", "nightly", "--json")).stdout)["key"]
    assert await found(config, second.strip()) is None
    done = await in_thread(config, "keys", "revoke", "nightly")
    assert (done.exit_code, done.stdout) == (0, "")
    assert await found(config, third) is None


def test_the_list_has_facts_and_no_key(config: Path) -> None:
    key = run(config, "keys", "create", "nightly", "--teams", "ops").stdout.strip()
    run(config, "keys", "create", "hourly")
    run(config, "keys", "revoke", "hourly")
    shown = run(config, "keys", "list")
    assert re.search(r"hourly +revoked", shown.stdout)
    assert re.search(r"nightly +active +ops", shown.stdout)
    listed = run(config, "keys", "list", "--json")
    accounts = {each["name"]: each for each in json.loads(listed.stdout)["accounts"]}
    assert (accounts["nightly"]["state"], accounts["hourly"]["state"]) == ("active", "revoked")
    assert accounts["nightly"]["teams"] == ["ops"]
    assert key not in shown.stdout + listed.stdout


def test_no_accounts_is_no_error(config: Path) -> None:
    done = run(config, "keys", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads(run(config, "keys", "list", "--json").stdout) == {"accounts": []}


def test_what_is_not_there_or_there_already_is_one(config: Path) -> None:
    run(config, "keys", "create", "nightly")
    for arguments in (["create", "nightly"], ["revoke", "unknown"], ["rotate", "unknown"]):
        done = run(config, "keys", *arguments)
        assert (done.exit_code, done.stdout) == (1, ""), arguments
        assert done.stderr
    run(config, "keys", "revoke", "nightly")
    assert run(config, "keys", "create", "nightly").exit_code == 1
    assert run(config, "keys", "rotate", "nightly").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "Night Ly"],
        ["create", "nightly\n"],
        ["create", ""],
        ["create", "a", "--teams", "o ps"],
        ["create", "a", "--scopes", "caf\u00e9"],
        ["create", "a", "--expires", "soon"],
        ["create", "a", "--expires", "999999999999d"],
        ["create", "a", "--owner", "alice"],
        ["create", "a", "--owner", "other|alice"],
        ["create", "a", "--owner", "corp|"],
        ["revoke", "a\0b"],
        ["rotate", "a", "--grace", "-1h"],
        ["unknown"],
    ],
    ids=str,
)
def test_wrong_usage_is_two_and_prints_no_key(config: Path, arguments: list[str]) -> None:
    done = run(config, "keys", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr


def test_a_wrong_configuration_is_two_and_names_the_place(tmp_path: Path) -> None:
    done = run(write(tmp_path, "serer: {}"), "keys", "list")
    assert done.exit_code == 2
    assert "gateway.yaml:1:1" in done.stderr


def test_a_wrong_key_of_the_vault_is_two(config: Path) -> None:
    assert run(config, "keys", "create", "nightly").exit_code == 0
    (config.parent / "data" / "keys" / "k1").unlink()
    done = run(config, "keys", "list")
    assert done.exit_code == 2
    assert "state.encryption_keys" in done.stderr


def test_a_database_that_is_away_is_two_and_its_address_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSN", "postgresql://gateway:canary-dsn@127.0.0.1:1/none")
    config = write(tmp_path, GATEWAY + "state: {database: env:DSN}\n")
    for arguments in (["keys", "list"], ["vault", "status"], ["migrate"], ["migrate", "--check"]):
        done = run(config, *arguments)
        assert done.exit_code == 2, arguments
        assert done.stderr
        assert "canary-dsn" not in done.stdout + done.stderr


async def in_thread(config: Path, *arguments: str) -> Result:
    """The command beside a running loop, as beside a gateway that serves."""
    return await asyncio.to_thread(run, config, *arguments)
