"""Every composition of docs/virtual-servers.md, served from real upstreams, does what the page says."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, TextResourceContents

from tests.docs.blocks import blocks
from tests.docs.started import Started, gateway, repository, upstream
from tests.support import ROOT, require

PAGE = ROOT / "docs/virtual-servers.md"
EXPOSED = {
    "reader": {
        "search_pages",
        "git_status",
        "git_diff_unstaged",
        "git_diff_staged",
        "git_diff",
        "git_log",
        "git_show",
        "git_branch",
    },
    "names": {"now", "clock_convert_time", "hr/search_pages", "hr/write_page", "hr/delete_page"},
    "editor": {"search_pages", "publish"},
    "hints": {"write_page", "delete_page"},
    "both": {"time_convert_time", "handbook_convert_time"},
    "strict": {"get_current_time", "convert_time", "git_status"},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    require("git", "is what an upstream of the page works on")
    folder = repository(tmp_path_factory.mktemp("compositions"))
    with upstream("-m", "examples.upstreams.handbook", "--port", "0") as handbook:
        for block in blocks(PAGE, "yaml"):
            path = folder / str(block.file)
            path.parent.mkdir(exist_ok=True)
            ports = "server: {port: 0, admin: {port: 0}}\n" if block.file == "gateway.yaml" else ""
            path.write_text(ports + block.text.replace("http://127.0.0.1:9000/mcp", handbook))
        with gateway(folder) as started:
            yield started


def reports(served: Started) -> dict[str, Any]:
    with urllib.request.urlopen(f"{served.control}/api/servers") as response:
        return {each["name"]: each for each in json.load(response)}


def text_of(result: Any) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def test_every_composition_of_the_page_is_expected() -> None:
    files = {Path(str(block.file)).stem for block in blocks(PAGE, "yaml")}
    assert files == {*EXPOSED, "gateway"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("server", EXPOSED)
async def test_a_composition_exposes_what_the_page_says(served: Started, server: str, mode: str) -> None:
    async with Client(served.url(server), mode="legacy" if mode == "legacy" else "auto") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == EXPOSED[server]


def test_nothing_is_reported_but_the_conflict(served: Started) -> None:
    found = reports(served)
    assert {name: each["problems"] for name, each in found.items() if each["problems"] and name != "both"} == {}
    assert len(found["both"]["problems"]) == 2


async def test_prompts_resources_and_templates(served: Started) -> None:
    async with Client(served.url("reader")) as client:
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["summarize"]
        assert [str(each.uri) for each in (await client.list_resources()).resources] == ["handbook://index"]
        assert len((await client.list_resource_templates()).resource_templates) == 1
        (content,) = (await client.read_resource("handbook://pages/travel")).contents
        assert isinstance(content, TextResourceContents) and content.text == "Book trains, not planes."


async def test_arguments(served: Started) -> None:
    async with Client(served.url("editor")) as client:
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        assert set(tools["publish"]["properties"]) == {"name", "text"}
        assert set(tools["publish"]["required"]) == {"name", "text"}
        assert tools["search_pages"]["required"] == ["text"]
        published = await client.call_tool("publish", {"name": "lunch", "text": "At noon."})
        assert text_of(published) == "staff/lunch written by anonymous"
        assert "lunch" in text_of(await client.call_tool("search_pages", {"text": "noon"}))
        for hidden in ({"section": "board"}, {"author": "me"}, {"body": "x"}):
            refused = await client.call_tool("publish", {"name": "lunch", "text": "x", **hidden})
            assert refused.is_error and "cannot be set" in text_of(refused)


async def test_annotations(served: Started) -> None:
    async with Client(served.url("hints")) as client:
        tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    write, delete = tools["write_page"], tools["delete_page"]
    assert write is not None and (write.destructive_hint, write.idempotent_hint) == (False, True)
    assert delete is not None and (delete.title, delete.destructive_hint) == ("Delete for good", True)


async def test_what_is_left_out_does_not_exist(served: Started) -> None:
    async with Client(served.url("reader")) as client:
        answers = []
        for name in ("git_reset", "no_such_tool"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, {})
            answers.append((caught.value.error.code, caught.value.error.message.replace(name, "")))
    assert answers[0] == answers[1]
    assert answers[0][0] == -32602
