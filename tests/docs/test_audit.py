"""docs/audit.md: its configurations load, its commands for copies run, and its metrics are those of a gateway."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcp_gateway.cli.main import app
from mcp_gateway.cli.recording import PURPOSE
from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.opening import open_chain
from mcp_gateway.envelopes.observability.audit.shipping.shipping import Shipping
from mcp_gateway.envelopes.observability.audit.shipping.target import MemoryTarget
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.load import load
from tests.envelopes.observability.audit.shipping.support import shipper
from tests.envelopes.observability.audit.support import call
from tests.settings.files import write
from tests.support import ROOT

PAGE = (ROOT / "docs" / "audit.md").read_text()
COPIES = PAGE[PAGE.index("## Copies elsewhere") : PAGE.index("## What is in it")]
ENVIRON = {"AUDIT_DATABASE": "postgresql://gateway:x@db/audit", "COLLECTOR_TOKEN": "Bearer t"}
KEY = "q7Wc1nYx0Zk3Lr8Vt5Pm2Hs9Dj4Gf6Ab0Ue1Io="


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_configurations_load(tmp_path: Path, text: str) -> None:
    settings = load(write(tmp_path, text), ENVIRON)
    assert settings.telemetry.audit.path == tmp_path / "data/audit"


def test_the_places_of_the_page_are_what_the_page_calls_them(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", COPIES, re.DOTALL)
    ship = load(write(tmp_path, text), ENVIRON).telemetry.audit.ship
    assert [each.called for each in ship] == ["postgresql", "otlp", "file"]


def test_the_commands_for_copies_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", KEY)
    place = "{to: copy.jsonl, name: postgresql}"
    text = f"state: {{encryption_keys: [env:KEY]}}\ntelemetry: {{audit: {{path: audit, ship: [{place}]}}}}\n"
    settings = load(write(tmp_path, text), {"KEY": KEY})
    chain = open_chain(tmp_path / "audit", Signer(key_ring(settings.state), PURPOSE), facts={})
    chain.append(call(1))
    chain.close()
    (block,) = re.findall(r"```bash\n(.*?)```", COPIES, re.DOTALL)
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert len(commands) == 4
    for command in commands:
        assert command[0] == "mcp-gateway"
        done = CliRunner().invoke(app, command[1:])
        assert done.exit_code == 0, done.output
        assert ("postgresql: 3 records (" if "--status" in command else "3 records") in done.stdout


def test_the_table_has_every_metric_of_copies(tmp_path: Path) -> None:
    shown = Shipping([shipper(tmp_path, MemoryTarget(), name="x")]).text()
    measured = set(re.findall(r"^(\w+)\{", shown, re.MULTILINE))
    assert measured == set(re.findall(r"`(mcp_gateway_audit_\w+)\{target\}`", COPIES))
