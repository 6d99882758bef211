"""The tables of docs/llm.md say what the tests of the LLM plane show: what translates, and which errors there are."""

from __future__ import annotations

import re

from llm_proxy.faults import LONG, headers_of
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.ingress.messages.dialect import Messages
from tests.llm_proxy.plane.features import DIALECTS, FAMILIES, Feature
from tests.llm_proxy.plane.refusals import REFUSALS, Met
from tests.llm_proxy.plane.translations import FEATURES
from tests.support import ROOT

PAGE = (ROOT / "docs/llm.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *rows])


def translated(feature: Feature) -> str:
    said = [feature.words.get(dialect, "–") for dialect in DIALECTS]
    became = [getattr(feature, family) for family in FAMILIES]
    cells = [feature.name, *said, *("as it came" if one is None else one.word for one in became)]
    return f"| {' | '.join(cells)} |"


def met(one: Met) -> str:
    first = Chat().error(one.error, one.status, "")["error"]["type"]
    second = Messages().error(one.error, one.status, "")["error"]["type"]
    again = "yes" if one.again else "no"
    return f"| {one.status} | `{one.error.reason}` | {one.means} | `{first}` | `{second}` | {again} |"


def test_what_translates() -> None:
    head = "| | chat completions | responses | messages | to OpenAI | to Anthropic | to Gemini |"
    assert table(head, [translated(feature) for feature in FEATURES]) in section("What translates")


def test_errors() -> None:
    head = "| status | `code`, `reason` | | OpenAI's `type` | Anthropic's `type` | tried again |"
    assert table(head, [met(one) for one in REFUSALS]) in section("Errors")
    assert f"more than {LONG} seconds" in section("Errors")
    assert ("x-should-retry" in section("Errors")) is any(
        name == b"x-should-retry" for one in REFUSALS for name, _ in headers_of(one.error)
    )


def test_response_headers() -> None:
    """Every header that the code tells stands there, and no other."""
    sources = [*(ROOT / "llm_proxy").rglob("*.py")]
    told = {name for path in sources for name in re.findall(r'\.tell\(\s*"([a-z-]+)"', path.read_text())}
    listed = set(re.findall(r"^\| `x-gateway-([a-z-]+)` \|", section("Response headers"), flags=re.MULTILINE))
    assert listed == told
