"""Compositions of real servers as an admin writes them, used from the TypeScript client and from Python."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import CallToolResult, PromptReference, TextContent

from tests.real.office import Site, everything_at
from tests.real.test_node_client import run


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with everything_at(tmp_path_factory.mktemp("composition")) as site:
        yield site


def said(result: CallToolResult) -> str:
    assert not result.is_error, result
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


ERAS = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])

NAMES = [
    "demo/echo",
    "demo/get-env",
    "demo/get-structured-content",
    "add",
    "git_status",
    "save",
    "git_add",
    "history",
    "ledger_query_entries",
    "book_entry",
    "ledger_reconcile",
]
ADD = {
    "type": "object",
    "properties": {
        "number": {"type": "number", "description": "What to add to."},
        "b": {"type": "number", "description": "Second number", "default": 1},
    },
    "required": ["number"],
    "$schema": "http://json-schema.org/draft-07/schema#",
}
HISTORY = {
    "type": "object",
    "properties": {"limit": {"default": 5, "title": "Max Count", "type": "integer"}},
    "required": [],
    "title": "logArguments",
}
BOOK = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "description": "Amount; negative for a debit"},
        "memo": {"type": "string", "description": "Free text", "default": ""},
    },
    "required": ["amount"],
}


def check_tools(tools: list[dict[str, Any]]) -> None:
    """The office, exactly as its file says."""
    by_name = {tool["name"]: tool for tool in tools}
    assert [tool["name"] for tool in tools] == NAMES
    assert by_name["add"]["inputSchema"] == ADD
    assert by_name["add"]["description"] == "Adds to a number."
    assert by_name["add"]["title"] == "Get Sum Tool"
    assert by_name["history"]["inputSchema"] == HISTORY
    assert by_name["history"]["title"] == "History"
    assert by_name["history"]["annotations"] == {
        "title": "What happened",
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": True,
    }
    assert by_name["book_entry"]["inputSchema"] == BOOK
    assert by_name["book_entry"]["annotations"]["destructiveHint"] is True
    assert "currency" in by_name["book_entry"]["outputSchema"]["properties"]
    for name in ("git_status", "git_add"):
        assert by_name[name]["inputSchema"]["properties"] == {}
    assert not any("REPOSITORY" in json.dumps(tool) or "repo_path" in json.dumps(tool) for tool in tools)


PROMPTS = ["demo/args-prompt", "demo/completable-prompt", "ledger_monthly_review"]
RESOURCES = ["demo://resource/static/document/features.md", "ledger://balance", "ledger://accounts"]
TEMPLATES = ["demo://resource/dynamic/text/{resourceId}", "ledger://entries/{number}"]


# ---------------------------------------------------------------- the TypeScript client


def test_the_typescript_client_sees_the_composition_and_nothing_else(site: Site) -> None:
    url = site.url("office")
    code, info = run(url, "info")
    assert (code, info["server"]["name"], info["server"]["title"]) == (0, "office", "Office")
    assert info["instructions"] == "Look before you book."
    check_tools(run(url, "list")[1]["tools"])
    assert [prompt["name"] for prompt in run(url, "prompts")[1]["prompts"]] == PROMPTS
    assert [resource["uri"] for resource in run(url, "resources")[1]["resources"]] == RESOURCES
    assert [each["uriTemplate"] for each in run(url, "templates")[1]["resourceTemplates"]] == TEMPLATES


def test_the_typescript_client_uses_every_source(site: Site) -> None:
    url = site.url("office")

    def text(name: str, arguments: dict[str, Any]) -> str:
        code, answer = run(url, "call", name, json.dumps(arguments))
        assert code == 0 and not answer.get("isError"), answer
        return str(answer["content"][0]["text"])

    assert text("demo/echo", {"message": "na\u00efve \u2028"}) == "Echo: na\u00efve \u2028"
    assert "is 42" in text("add", {"number": 41})
    assert "First commit" in text("history", {})
    assert text("book_entry", {"amount": 12.5}).endswith("12.50 EUR")
    weather = run(url, "call", "demo/get-structured-content", '{"location": "Chicago"}')[1]["structuredContent"]
    assert weather.keys() == {"temperature", "conditions", "humidity"}
    steps = run(url, "call", "ledger_reconcile", '{"steps": 3}')[1]["progress"]
    assert [step["progress"] for step in steps] == [1, 2, 3]
    assert "Berlin" in json.dumps(run(url, "prompt", "demo/args-prompt", '{"city": "Berlin"}')[1])
    assert "2026-07" in json.dumps(run(url, "prompt", "ledger_monthly_review", '{"month": "2026-07"}')[1])
    for uri in (RESOURCES[0], "demo://resource/dynamic/text/7", "ledger://accounts", "ledger://entries/1"):
        assert run(url, "read", uri)[1]["contents"][0]["uri"] == uri


@pytest.mark.parametrize(
    ("action", "name", "arguments"),
    [
        ("call", "git_reset", "{}"),
        ("call", "get-sum", '{"a": 1, "b": 2}'),
        ("call", "demo/get-sum", '{"a": 1, "b": 2}'),
        ("call", "ledger_close_period", '{"period": "2026-07"}'),
        ("prompt", "simple-prompt", "{}"),
        ("prompt", "demo/simple-prompt", "{}"),
    ],
)
def test_what_is_left_out_does_not_exist(site: Site, action: str, name: str, arguments: str) -> None:
    code, answer = run(site.url("office"), action, name, arguments)
    assert (code, answer["error"]["code"]) == (1, -32602)


# ---------------------------------------------------------------- Python


@ERAS
async def test_python_sees_the_same(site: Site, mode: Any) -> None:
    async with Client(site.url("office"), mode=mode) as client:
        listed = (await client.list_tools()).tools
        check_tools([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed])
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == PROMPTS
        assert [str(each.uri) for each in (await client.list_resources()).resources] == RESOURCES
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == TEMPLATES


@ERAS
async def test_fixed_and_bound_arguments_are_the_admins(site: Site, mode: Any) -> None:
    async with Client(site.url("office"), mode=mode) as client:
        booked = (await client.call_tool("book_entry", {"amount": 3, "memo": f"by {mode}"})).structured_content
        assert booked == {
            "number": booked["number"],
            "amount": "3.00",
            "currency": "EUR",
            "requester": "anonymous",
            "memo": f"by {mode}",
        }
        for forbidden in ({"currency": "USD"}, {"requester": "me"}, {"amt": 1}, {"amount": "much"}):
            refused = await client.call_tool("book_entry", {"amount": 1, **forbidden})
            assert refused.is_error, forbidden
        for forbidden in ({"repo_path": "/"}, {"max_count": 1}, {"start_timestamp": "yesterday"}):
            assert (await client.call_tool("history", {**forbidden})).is_error, forbidden
        entries = (await client.call_tool("ledger_query_entries", {"contains": f"by {mode}"})).structured_content
        assert entries["entries"] == [booked], "a refused call reached the upstream"


async def test_a_commit_is_made_in_the_fixed_repository(site: Site) -> None:
    async with Client(site.url("office")) as client:
        assert "note.txt" in said(await client.call_tool("git_status", {}))
        said(await client.call_tool("git_add", {}))
        said(await client.call_tool("save", {"why": "Keep the note"}))
        latest = said(await client.call_tool("history", {"limit": 1}))
        everything = said(await client.call_tool("history", {}))
    log = ["git", "log", "--format=%s"]
    subjects = subprocess.run(log, cwd=site.folder / "repository", capture_output=True, text=True, check=True).stdout
    assert subjects.splitlines() == ["Keep the note", "First commit"]
    assert ("Keep the note" in latest, "First commit" in latest) == (True, False)
    assert "First commit" in everything


async def test_a_child_gets_what_the_file_gives_it_and_no_more(site: Site) -> None:
    async with Client(site.url("office")) as client:
        variables = json.loads(said(await client.call_tool("demo/get-env", {})))
    assert (variables["GIVEN"], variables["SEALED"]) == ("yes", "sealed")
    assert not variables.keys() & {"GATEWAY_SECRET", "OTHER_SECRET", "PYTHONPATH"}


@ERAS
async def test_completion_and_many_callers_at_once(site: Site, mode: Any) -> None:
    async with Client(site.url("office"), mode=mode) as client:
        ref = PromptReference(type="ref/prompt", name="demo/completable-prompt")
        completed = (await client.complete(ref, {"name": "department", "value": "E"})).completion.values
        sums = await asyncio.gather(*(client.call_tool("add", {"number": n, "b": n}) for n in range(20)))
    assert completed == ["Engineering"]
    assert [f"is {2 * n}" in said(result) for n, result in enumerate(sums)] == [True] * 20


# ---------------------------------------------------------------- other compositions


@ERAS
async def test_the_filesystem_server_with_a_fixed_folder(site: Site, mode: Any) -> None:
    papers = site.folder / "papers"
    written = papers / f"{mode}.txt"
    async with Client(site.url("files"), mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["read_text_file", "write_file", "ls"]
        assert tools["ls"].input_schema["properties"] == {}
        said(await client.call_tool("write_file", {"path": str(written), "content": "\u00e9\n"}))
        assert {"[FILE] paper.txt", f"[FILE] {written.name}"} <= set(said(await client.call_tool("ls", {})).split("\n"))
        read = await client.call_tool("read_text_file", {"path": str(papers / "paper.txt"), "head": 1})
        outside = await client.call_tool("read_text_file", {"path": str(site.folder / "gateway.yaml")})
    assert written.read_text() == "\u00e9\n"
    assert said(read).startswith("on paper")
    assert outside.is_error


@pytest.mark.parametrize(
    ("server", "names", "prompts"),
    [
        (
            "prefixed",
            ["ledger_query_balance", "query_entries", "archive_query_balance", "reconcile"],
            ["ledger_monthly_review", "archive_monthly_review"],
        ),
        ("first", ["query_balance", "query_entries", "reconcile"], ["monthly_review"]),
    ],
)
async def test_conflicts_are_settled_as_the_file_says(
    site: Site, server: str, names: list[str], prompts: list[str]
) -> None:
    async with Client(site.url(server)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == names
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == prompts
        for name in names:
            said(await client.call_tool(name, {}))
    records = [
        record for record in site.gateway.records() if (record["server"], record["method"]) == (server, "tools/call")
    ]
    expected = ["ledger", "ledger", "archive", "archive"] if server == "prefixed" else ["ledger", "ledger", "archive"]
    assert [record["upstream"] for record in records] == expected


@ERAS
async def test_an_upstream_over_sse(site: Site, mode: Any) -> None:
    steps: list[float] = []

    async def step(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with Client(site.url("events"), mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [
            "echo",
            "get-sum",
            "trigger-long-running-operation",
        ]
        sums = await asyncio.gather(*(client.call_tool("get-sum", {"a": n, "b": n}) for n in range(10)))
        long = {"duration": 0.3, "steps": 3}
        done = await client.call_tool("trigger-long-running-operation", long, progress_callback=step)
        assert len((await client.list_prompts()).prompts) == 4
        with pytest.raises(MCPError) as unknown:
            await client.get_prompt("no-such-prompt")
    assert all(f"is {2 * n}" in said(result) for n, result in enumerate(sums))
    assert not done.is_error and steps == [1, 2, 3]
    assert unknown.value.error.code == -32602
