"""The guide names every option, every kind and every preset that there is, and no option that there is not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from mcp_gateway.cli.guarded import guardrails_of
from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.envelopes.safety.classifier import Classifier
from mcp_gateway.envelopes.safety.configure import POLICY
from mcp_gateway.envelopes.safety.detectors.code_safety import CodeSafety
from mcp_gateway.envelopes.safety.detectors.presidio import Presidio
from mcp_gateway.envelopes.safety.detectors.prompt_injection import PromptInjection
from mcp_gateway.envelopes.safety.detectors.regex import Regex
from mcp_gateway.envelopes.safety.detectors.regex_presets import PRESETS
from mcp_gateway.envelopes.safety.detectors.size import Size
from mcp_gateway.envelopes.safety.detectors.sql import DIALECTS, REASONS, Sql
from mcp_gateway.envelopes.safety.detectors.sql_nodes import STATEMENTS
from mcp_gateway.envelopes.safety.llm_judge import LlmJudge
from mcp_gateway.envelopes.safety.makers import makers
from mcp_gateway.envelopes.safety.webhook import Webhook
from mcp_gateway.envelopes.safety.workers import Workers
from mcp_gateway.settings.load import load
from tests.docs.blocks import blocks
from tests.envelopes.safety.pipeline import pipeline
from tests.support import ROOT

PAGE = ROOT / "docs/guardrail-types.md"
GUIDE = PAGE.read_text(encoding="utf-8")
NO_OPTION = "zzzzzzzzzzzz"


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    made = Fetcher()
    yield made
    await made.close()


def section(kind: str) -> str:
    return GUIDE.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    "kind",
    ["sql", "presidio", "regex", "size", "code_safety", "prompt_injection", "classifier", "webhook", "llm_judge"],
)
async def test_the_table_of_a_type_has_its_options(kind: str, fetcher: Fetcher) -> None:
    url = {"url": "https://guard.example.com/"}
    makers: dict[str, Callable[[Mapping[str, object]], object]] = {
        "sql": lambda config: Sql.of({"dialect": "postgres", **config}),
        "presidio": Presidio.of,
        "regex": Regex.of,
        "size": Size.of,
        "code_safety": CodeSafety.of,
        "prompt_injection": PromptInjection.of,
        "classifier": lambda config: Classifier.of({**url, **config}, fetcher=fetcher),
        "webhook": lambda config: Webhook.of({**url, **config}, fetcher=fetcher),
        "llm_judge": lambda config: LlmJudge.of({**url, **config}, fetcher=fetcher),
    }
    with pytest.raises(ValueError, match="known are") as refused:
        makers[kind]({NO_OPTION: 1})
    known = set(str(refused.value).partition("known are: ")[2].split(", "))
    rows = re.findall(r"^\| (`[^|]*) \|", section(kind), flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == known


def test_names_of_values_are_complete() -> None:
    assert all(f"`{name}`" in section("sql") for name in (*REASONS, *DIALECTS, *STATEMENTS[1:]))
    assert set(re.findall(r"`(\w+)`", section("regex").partition("Presets: ")[2])) == {*PRESETS, "pii"}


async def test_the_file_of_the_page_has_one_of_each_type_and_can_be_used(tmp_path: Path, fetcher: Fetcher) -> None:
    # The pipeline that the page speaks of is a download.
    model = pipeline(tmp_path / "names")
    for block in blocks(PAGE, "yaml"):
        assert block.text.count("en_core_web_md") <= 1
        (tmp_path / str(block.file)).write_text(block.text.replace("en_core_web_md", model))
    settings = load(tmp_path / "gateway.yaml", {"DESK_TOKEN": "secret"})
    async with guardrails_of(settings) as found:
        assert settings.guardrails is not None and settings.guardrails.model is not None
        (group,) = settings.guardrails.model.groups
        workers = Workers()
        assert {each.type for each in group.guardrails} == {*makers(workers, fetcher), POLICY}
        workers.close()
        assert {f"ours/{each.name}" for each in group.guardrails} <= set(found.rulebook.names)
