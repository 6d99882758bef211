"""docs/policies.md: its policies can be read, and its table has every rule that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from mcp_gateway.cli.main import app
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


def commands() -> list[list[str]]:
    lines = [line for block in blocks(PAGE, "sh") for line in block.text.splitlines()]
    words = [shlex.split(line.partition(" >> ")[0], comments=True) for line in lines]
    return [each[1:] for each in words if each and each[0] == "mcp-gateway"]


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_of_the_page_has_the_options_that_it_is_given(arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    names = arguments[:2] if arguments[0] == "policy" else arguments[:1]
    for name in names:
        command = command.commands[name]
    given = command.make_context(names[-1], arguments[len(names) :], resilient_parsing=False).params
    assert given["config"] == Path("gateway.yaml")


def test_every_rule_is_in_the_table_and_no_other() -> None:
    table = PAGE.read_text().partition("| Rule | |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    listed = {rule for row in rows for rule in re.findall(r"`([a-z-]+)`", row)}
    made = {rule for path in CODE.glob("*.py") for rule in _REMARK.findall(path.read_text())} - {"warning"}
    assert made and listed == made
