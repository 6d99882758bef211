"""docs/policies.md: its policies can be read, and its table has every rule that there is."""

from __future__ import annotations

import re

import pytest

from mcp_gateway.envelopes.policy.cedar.model import Source
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from tests.docs.blocks import Block, blocks
from tests.support import ROOT

PAGE = ROOT / "docs/policies.md"
CODE = ROOT / "mcp_gateway/envelopes/policy/cedar"
_REMARK = re.compile(r'"(?:error|warning)", "([a-z][a-z0-9-]+)"')


def examples() -> list[Block]:
    return blocks(PAGE, "cedar")


@pytest.mark.parametrize("block", examples(), ids=range(len(examples())))
def test_every_policy_of_the_page_can_be_read(block: Block) -> None:
    found = read_policies([Source("page.cedar", block.text)])
    assert [str(each) for each in found.remarks if each.rule != "denies-all"] == []
    assert found.policies


def test_every_rule_is_in_the_table_and_no_other() -> None:
    table = PAGE.read_text().partition("| Rule | |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    listed = {rule for row in rows for rule in re.findall(r"`([a-z-]+)`", row)}
    made = {rule for path in CODE.glob("*.py") for rule in _REMARK.findall(path.read_text())} - {"warning"}
    assert made and listed == made
