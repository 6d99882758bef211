"""A configuration with a record, and running commands on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.cli.recording import PURPOSE
from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.opening import open_chain
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.load import load
from tests.envelopes.observability.audit.support import call
from tests.settings.files import write

GATEWAY = """\
state: {encryption_keys: [file:key]}
telemetry: {audit: {path: audit}}
"""
INTENT = {"event": "intent", "server": "desk", "principal": "corp|alice", "method": "tools/call", "upstream": "up"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration, and a record with five calls and an intent of which nothing more is known."""
    (tmp_path / "key").write_text("q7Wc1nYx0Zk3Lr8Vt5Pm2Hs9Dj4Gf6Ab0Ue1Io=")
    (tmp_path / "key").chmod(0o600)
    path = write(tmp_path, GATEWAY)
    settings = load(path, {})
    assert settings.telemetry.audit.path == tmp_path / "audit"
    chain = open_chain(tmp_path / "audit", Signer(key_ring(settings.state), PURPOSE), facts={})
    for number in range(5):
        chain.append({**call(number), "server": "=desk", "policies": ["a", "b"]})
    chain.append({**call(9), **INTENT, "target": "book"})
    chain.close()
    return path
