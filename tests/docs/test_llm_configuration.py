"""The files of docs/llm.md load together, and what the page says of numbers is what the code does."""

from __future__ import annotations

from pathlib import Path

from llm_proxy.routing import choose, health, policy, rolling
from mcp_gateway.settings.load import load
from tests.docs.blocks import blocks
from tests.support import ROOT

PAGE = ROOT / "docs/llm.md"
KEYS = {"OPENAI_API_KEY": "k1", "ANTHROPIC_API_KEY": "k2"}


def test_the_files_of_the_page_load_together(tmp_path: Path) -> None:
    named = {block.file: block.text for block in blocks(PAGE, "yaml") if block.file is not None}
    assert {"gateway.yaml", "models.yaml", "routing.yaml"} <= set(named)
    for name in ("gateway.yaml", "models.yaml", "routing.yaml"):
        (tmp_path / name).write_text(named[name], encoding="utf-8")
    llm = load(tmp_path / "gateway.yaml", KEYS).llm
    assert llm is not None
    assert [rule.id for rule in llm.rules] == ["security-critical-review", "canary", "fastest"]


def test_the_numbers_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for sentence in (
        f"over the last {health.SPEED_SPAN / 60:g} minutes or {rolling.CALLS} answers",
        f"fewer than {rolling.ENOUGH} answers",
        f"within {choose.EQUAL} times of the fastest",
        f"over the last {health.SLA_SPAN / 60:g} minutes",
        f"up to {policy.PATIENCE:g} seconds",
    ):
        assert sentence in text
