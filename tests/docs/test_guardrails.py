"""docs/guardrails.md: its file can be used, and its table has every bundled guardrail."""

from __future__ import annotations

import re
from pathlib import Path

from mcp_gateway.envelopes.safety.bundled import BUNDLED
from mcp_gateway.envelopes.safety.safeguard import Safeguard
from mcp_gateway.envelopes.safety.verdict import Mode
from mcp_gateway.settings.load import load
from tests.docs.blocks import blocks
from tests.support import ROOT

PAGE = ROOT / "docs/guardrails.md"


async def test_the_file_of_the_page_can_be_used(tmp_path: Path) -> None:
    found = {block.file: block.text for block in blocks(PAGE, "yaml")}
    for name in ("gateway.yaml", "guardrails.yaml"):
        (tmp_path / name).write_text(found[name])
    document = load(tmp_path / "gateway.yaml", {}).guardrails
    assert document is not None and document.model is not None
    safeguard = Safeguard()
    try:
        rulebook = safeguard.configured(document.model, governed=False).rulebook
        assert "payments/no-account-numbers" in rulebook.names
        assert rulebook.guard("global/pii-redaction").mode is Mode.AUDIT
    finally:
        await safeguard.close()


def test_the_table_has_every_bundled_guardrail_and_no_other() -> None:
    rows = re.findall(r"^\| `(global/[a-z-]+)` \| `([a-z_]+)` \| (validate|mutate)", PAGE.read_text(), re.MULTILINE)
    assert {name: (kind, word) for name, kind, word in rows} == {
        name: (each.type, each.operation) for name, each in BUNDLED.items()
    }
