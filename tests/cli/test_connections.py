"""`mcp-gateway connections`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Grant, GrantKey, Tokens
from tests.core.egress_double import always, ok, serve

KEY = b"0123456789abcdef" * 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "virtual_servers").mkdir()
    (tmp_path / "key").write_bytes(KEY)
    file = tmp_path / "gateway.yaml"
    _write(file)
    return file


def _write(file: Path, issuer: str = "https://auth.test") -> None:
    file.write_text(
        f"""
state: {{encryption_keys: ["file:key"], database: "sqlite:///gateway.db"}}
upstreams:
  tickets: {{url: "https://tickets.test/mcp", auth: {{type: authorization_code, issuer: "{issuer}"}}}}
"""
    )


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["connections", *arguments, "--config", str(config)])


async def connected(config: Path, principal: str, *, revocation_url: str = "") -> None:
    database = Secret(f"sqlite:///{config.parent}/gateway.db")
    state = await State.open(database, (KEY,), "default")
    tokens = Tokens(access_token=Secret("canary-a"), refresh_token=Secret("canary-r"), scopes=("read", "write"))
    await state.vault.store(
        Grant(
            key=GrantKey(principal, "tickets"),
            kind="oauth",
            tokens=tokens,
            issuer="https://auth.test",
            revocation_url=revocation_url,
            client=ClientRegistration(issuer="https://auth.test", client_id="gw"),
            agent="Desk",
        )
    )
    await state.close()


async def test_connections_are_listed_without_their_tokens(config: Path) -> None:
    for principal in ("corp|alice", "corp|bob"):
        await connected(config, principal)
    shown = await asyncio.to_thread(run, config, "list")
    assert shown.exit_code == 0 and "corp|alice" in shown.stdout and "read write" in shown.stdout
    narrowed = await asyncio.to_thread(run, config, "list", "--principal", "corp|bob", "--json")
    facts = json.loads(narrowed.stdout)["connections"]
    assert [(fact["principal"], fact["upstream"], fact["status"]) for fact in facts] == [
        ("corp|bob", "tickets", "active")
    ]
    assert facts[0]["scopes"] == ["read", "write"] and facts[0]["agent"] == "Desk"
    assert json.loads((await asyncio.to_thread(run, config, "list", "--upstream", "x", "--json")).stdout) == {
        "connections": []
    }
    assert "canary" not in shown.output + narrowed.output


async def test_revoking_deletes_and_tells_the_authorization_server(config: Path) -> None:
    async with serve(always(ok(b""))) as server:
        _write(config, str(server.origin))
        await connected(config, "corp|alice", revocation_url=f"{server.origin}/revoke")
        done = await asyncio.to_thread(run, config, "revoke", "corp|alice", "tickets", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {"principal": "corp|alice", "upstream": "tickets", "revocation": "done"}
        assert server.connections >= 1
    assert json.loads((await asyncio.to_thread(run, config, "list", "--json")).stdout) == {"connections": []}
    again = await asyncio.to_thread(run, config, "revoke", "corp|alice", "tickets")
    assert again.exit_code == 1 and "no such connection" in again.output


async def test_without_a_way_to_tell_it_says_so(config: Path) -> None:
    await connected(config, "corp|alice")
    done = await asyncio.to_thread(run, config, "revoke", "corp|alice", "tickets")
    assert done.exit_code == 0 and "no way to tell" in done.output


def test_a_wrong_configuration_is_a_wrong_answer(tmp_path: Path) -> None:
    assert run(tmp_path / "absent.yaml", "list").exit_code == 2


def test_nothing_is_connected_at_first(config: Path) -> None:
    shown = run(config, "list")
    assert shown.exit_code == 0 and shown.stdout == "" and "no connections" in shown.output
