"""`mcp-gateway demo`: real servers composed, an agent's walk, its records; exit code 0."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_gateway.settings.load import load
from tests.docs.started import environment
from tests.support import require

pytestmark = pytest.mark.timeout(120)


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    require("git", "is what the demo composes")
    command = [sys.executable, "-m", "mcp_gateway", "demo", *options]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, check=False, text=True, timeout=100
    )


def test_the_demo_shows_every_step(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = demo(tmp_path, "--keep", str(kept))
    printed = done.stdout
    assert done.returncode == 0, printed + done.stderr
    assert "this was not expected" not in printed
    steps = (
        r"Composing office from mcp-server-time, mcp-server-git and a ledger",
        r"An agent, protocol 2026-07-28",
        r"list: ok\n\s+now, .*git_log, .*ledger_book",
        r"call now: ok",
        r"call git_log: ok\n.*Commit history",
        r"call ledger_book: ok\n\s+booked 12.50 EUR",
        r"call git_reset: refused \(-32602\)",
        r"argument 'currency' cannot be set",
        r"5 at once: limited \(42900\)\n\s+3 answered, 2 refused by the limit reconcile-rarely",
        r"room again in (19|20) minutes \(retryAfterMs\)",
        r"An older agent, protocol 2025-11-25",
        r"What the gateway recorded",
        r"refused because of unknown_name",
    )
    end = 0
    for step in steps:
        found = re.compile(step).search(printed, end)
        assert found is not None, f"no {step!r} after {printed[:end]!r}"
        end = found.end() if "list" not in step else found.start()
    assert sorted(load(kept / "gateway.yaml", {}).servers) == ["office"]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
