"""docs/guardrails.md: its files can be used, its commands do as it says, its table has every bundled guardrail."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from mcp_gateway.envelopes.safety.bundled import BUNDLED
from mcp_gateway.envelopes.safety.header import HEADERS
from mcp_gateway.envelopes.safety.safeguard import Safeguard
from mcp_gateway.envelopes.safety.verdict import Mode
from mcp_gateway.settings.load import load
from tests.docs.blocks import Block, blocks
from tests.docs.started import PATIENCE, environment
from tests.support import ROOT

PAGE = ROOT / "docs/guardrails.md"


CONSOLE = blocks(PAGE, "console")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page."""
    for block in blocks(PAGE, "yaml"):
        (tmp_path / str(block.file)).write_text(block.text)
    return tmp_path


@pytest.mark.parametrize("block", CONSOLE, ids=range(len(CONSOLE)))
def test_the_commands_of_the_page_print_what_stands_there(block: Block, folder: Path) -> None:
    typed = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    printed = [line for line in block.text.splitlines() if not line.startswith("$ ")]
    done = subprocess.run(
        ["bash", "-c", "\n".join(typed)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.stdout.splitlines(), done.stderr) == (printed, "")
    assert done.returncode == (1 if "guardrails test" in block.text else 0)


def test_there_is_an_example_of_each_command() -> None:
    commands = {
        line.partition("mcp-gateway ")[2].split()[1]
        for block in CONSOLE
        for line in block.text.splitlines()
        if "mcp-gateway guardrails" in line
    }
    assert commands == {"test", "eval"}


async def test_the_header_of_the_page_names_what_there_is(folder: Path) -> None:
    (block,) = blocks(PAGE, "http")
    name, _, value = block.text.strip().partition(": ")
    assert name.lower() in HEADERS and json.loads(value)
    document = load(folder / "gateway.yaml", {}).guardrails
    assert document is not None and document.model is not None
    safeguard = Safeguard()
    try:
        added = safeguard.configured(document.model, governed=False).rulebook.added([value])
        assert {hook.value: [str(each) for each in names] for hook, names in added.items() if names} == json.loads(
            value
        )
    finally:
        await safeguard.close()


async def test_the_file_of_the_page_can_be_used(folder: Path) -> None:
    document = load(folder / "gateway.yaml", {}).guardrails
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
