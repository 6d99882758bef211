"""The files of docs/budgets.md load together, and what the page says of numbers and alerts is what the code does."""

from __future__ import annotations

import json
from pathlib import Path

from mcp_gateway.envelopes.policy.budgets import alerts, settling, store
from mcp_gateway.envelopes.policy.budgets.settling import Crossed
from mcp_gateway.models import budgets_of
from mcp_gateway.settings.load import load
from tests.docs.blocks import blocks
from tests.envelopes.policy.budgets.making import budget
from tests.support import ROOT

PAGE = ROOT / "docs/budgets.md"


def test_the_files_of_the_page_load_together(tmp_path: Path) -> None:
    named = {block.file: block.text for block in blocks(PAGE, "yaml")}
    (tmp_path / "virtual_servers").mkdir()
    for name, text in named.items():
        assert name is not None
        (tmp_path / name).write_text(text)
    environment = {"BUDGET_HOOK": "https://hooks.example.com/b", "OPENAI_API_KEY": "k"}
    settings = load(tmp_path / "gateway.yaml", environment)
    assert settings.llm is not None
    first, second = budgets_of(settings.llm.models)
    assert (first.id, first.enforced, second.id, second.enforced) == ("per-project", True, "crm-lookups", False)
    assert first.webhook is not None
    (source,) = settings.servers["desk"].sources
    assert source.tools["find_customer"].cost == 0.002


def test_the_alert_of_the_page_has_the_fields_of_real_ones() -> None:
    (block,) = blocks(PAGE, "json")
    one = budget()
    assert list(json.loads(block.text)) == list(alerts.told(Crossed(one, one.limits[0], 75.0, 1, 1, "a"), 0.0))


def test_the_numbers_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert alerts.ATTEMPTS == 6 and "tried six times" in text
    assert settling.RETRY_SECONDS == 1.0 and "told again every second" in text
    for number in (alerts.MOST_PENDING, f"{settling.MOST_UNSETTLED:,}", f"{store.ACCOUNTS:,}"):
        assert str(number) in text
