"""The TypeScript SDK's client, as later tests use it: directly against the ledger."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.node import environment, node, require
from tests.conformance.systems import announced

SCRIPT = Path(__file__).parent / "node_client.mjs"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    require()
    with announced("tests.upstreams.plain") as port:
        yield f"http://127.0.0.1:{port}/mcp"


def run(url: str, *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [node(), str(SCRIPT), url, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def test_it_lists(url: str) -> None:
    code, answer = run(url, "list")
    assert (code, answer["tools"][0]["name"]) == (0, "query_balance")


def test_it_calls_and_hears_progress(url: str) -> None:
    code, answer = run(url, "call", "reconcile", '{"steps": 2}')
    assert (code, [step["progress"] for step in answer["progress"]]) == (0, [1, 2])


def test_it_reads(url: str) -> None:
    assert run(url, "read", "ledger://accounts")[1]["contents"][0]["uri"] == "ledger://accounts"


def test_errors_keep_their_code(url: str) -> None:
    code, answer = run(url, "call", "no_such_tool")
    assert (code, answer["error"]["code"]) == (1, -32602)


def test_wrong_usage(url: str) -> None:
    assert run(url, "dance") == (2, None)
