"""docs/metadata.md, served from a real upstream over real sockets, in both eras: it does what the page says."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from mcp_gateway.envelopes.policy.cedar.model import Source
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from tests.docs.blocks import blocks
from tests.docs.started import Started, gateway, upstream
from tests.real.wire import Wire
from tests.support import ROOT

PAGE = ROOT / "docs/metadata.md"
SAID = {"team": "payments", "environment": "staging", "ticket_id": "OPS-12"}
PAGE_WRITTEN = {"name": "lunch", "body": "At noon.", "section": "staff"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("metadata")
    with upstream("-m", "examples.upstreams.handbook", "--port", "0") as handbook:
        for block in blocks(PAGE, "yaml"):
            path = folder / str(block.file)
            path.parent.mkdir(exist_ok=True)
            ports = "server: {port: 0, admin: {port: 0}}\n" if block.file == "gateway.yaml" else ""
            path.write_text(ports + block.text.replace("http://127.0.0.1:9000/mcp", handbook))
        with gateway(folder) as started:
            yield started


@contextlib.asynccontextmanager
async def caller(served: Started, modern: bool, **headers: str) -> AsyncIterator[Wire]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(timeout=30, headers=named) as http:
        wire = Wire(http, served.url("handbook"), modern=modern)
        if not modern:
            await wire.initialize()
        yield wire


@pytest.mark.parametrize("modern", [True, False])
async def test_the_header_of_the_page(served: Started, modern: bool) -> None:
    (block,) = blocks(PAGE, "http")
    name, _, value = block.text.strip().partition(": ")
    async with caller(served, modern, **{name: value}) as wire:
        written = await wire.call("write_page", PAGE_WRITTEN)
    assert written.result["content"][0]["text"] == "staff/lunch written by payments"
    expected = {**json.loads(value), "cost_center": "shared"}
    served.wait_for("record", lambda: any(line.get("metadata") == expected for line in served.calls))


@pytest.mark.parametrize("modern", [True, False])
async def test_meta_of_the_page(served: Started, modern: bool) -> None:
    (meta,) = (json.loads(block.text)["params"]["_meta"] for block in blocks(PAGE, "json") if "_meta" in block.text)
    header = json.dumps({"environment": "development"})
    async with caller(served, modern, x_gateway_metadata=header) as wire:
        written = await wire.call("write_page", PAGE_WRITTEN, meta)
        assert written.result["content"][0]["text"].endswith("by payments")
        contradicting = {key: {**value, "environment": "staging"} for key, value in meta.items()}
        assert (await wire.call("write_page", PAGE_WRITTEN, contradicting)).code == 40302


@pytest.mark.parametrize("modern", [True, False])
async def test_the_refusal_of_the_page(served: Started, modern: bool) -> None:
    (error,) = (json.loads(block.text) for block in blocks(PAGE, "json") if "40302" in block.text)
    async with caller(served, modern, x_tfy_metadata='{"environment": "prod"}') as wire:
        refused = await wire.call("write_page", PAGE_WRITTEN)
        assert (await wire.ask("tools/list", {})).result["tools"]
    answer = refused.message["error"]
    answer["data"]["requestId"] = error["data"]["requestId"]
    assert answer == error and refused.status == 200


async def test_the_limit_of_the_page_is_about_production(served: Started) -> None:
    async with caller(served, True, x_tfy_metadata=json.dumps({**SAID, "environment": "production"})) as wire:
        answers = [await wire.call("search_pages", {"text": "a", "max_results": 1}) for _ in range(3)]
    assert [answer.code for answer in answers] == [None, None, 42900]
    assert answers[2].message["error"]["data"]["limit"] == "production"


def test_the_policy_of_the_page_can_be_read() -> None:
    (block,) = blocks(PAGE, "cedar")
    found = read_policies([Source("page.cedar", block.text)])
    assert [str(each) for each in found.remarks if each.rule != "denies-all"] == []


def test_the_page_names_the_bounds_that_hold() -> None:
    text = PAGE.read_text()
    for bound in ("| 64 |", "| 128 |", "| 8,192 |"):
        assert bound in text
