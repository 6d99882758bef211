"""One composition of three real servers of three makes, used from the TypeScript SDK's client and from Python's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from tests.conformance.node import environment, node, require, script
from tests.docs.started import repository
from tests.real.processes import configuration, gateway, serving

SCRIPT = Path(__file__).parent / "node_client.mjs"
EVERYTHING = "@modelcontextprotocol/server-everything"
FILES = "@modelcontextprotocol/server-filesystem"

OFFICE = """\
title: Office
sources:
  - upstream: everything
    prefix: any_
    enabled_tools: [echo, get-sum, get-tiny-image]
    enabled_prompts: [simple-prompt]
    tools:
      get-sum:
        name: add_five
        description: Adds five.
        arguments:
          a: {{name: number, description: What to add five to}}
          b: {{value: 5}}
  - upstream: git
    enabled_tools: ["git_*"]
    disabled_tools: ["git_add", "git_commit", "git_reset", "git_checkout", "git_create_branch"]
    tools:
      git_log: {{arguments: {{repo_path: {{value: {repository}}}}}}}
  - upstream: ledger
    prefix: ledger_
    disabled_tools: [close_period]
    enabled_prompts: ["*"]
    enabled_resources: ["ledger://*"]
    tools:
      post_entry:
        name: book_entry
        annotations: {{idempotentHint: true}}
        arguments:
          currency: {{value: EUR}}
          amt: {{name: amount}}
"""

CLASHING = "conflicts: {conflicts}\nsources:\n  - upstream: ledger\n  - upstream: again\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    require()
    folder = tmp_path_factory.mktemp("composition")
    (folder / "shelf").mkdir()
    (folder / "shelf" / "note.txt").write_text("read me\n")
    repo = repository(folder)
    with serving("tests.upstreams.plain") as ledger, serving("tests.upstreams.plain") as again:
        upstreams = (
            f"  everything: {{command: [{node()}, {script(EVERYTHING, 'dist', 'index.js')}, stdio]}}\n"
            f"  git: {{command: [{sys.executable}, -m, mcp_server_git, --repository, {repo}]}}\n"
            f"  files: {{command: [{node()}, {script(FILES, 'dist', 'index.js')}, {folder / 'shelf'}]}}\n"
            f"  ledger: {{url: {ledger.url}}}\n  again: {{url: {again.url}}}\n"
        )
        servers = {
            "office": OFFICE.format(repository=repo),
            "shelf": "sources:\n  - {upstream: files, enabled_tools: [read_text_file, list_directory]}\n",
            "first": CLASHING.format(conflicts="priority"),
            "both": CLASHING.format(conflicts="prefix"),
        }
        configuration(folder, upstreams, servers)
        with gateway(folder) as running:
            yield running, folder


def typescript(url: str, *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [node(), str(SCRIPT), url, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def the_text(result: Any) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


LISTED = [
    "any_echo",
    "any_get-tiny-image",
    "add_five",
    "git_status",
    "git_diff_unstaged",
    "git_diff_staged",
    "git_diff",
    "git_log",
    "git_show",
    "git_branch",
    "ledger_query_balance",
    "ledger_query_entries",
    "book_entry",
    "ledger_reconcile",
]


def test_the_typescript_client_sees_exactly_the_composition(site: Any) -> None:
    running, _ = site
    code, answer = typescript(running.url("office"), "list")
    tools = {tool["name"]: tool for tool in answer["tools"]}
    assert code == 0 and set(tools) == set(LISTED) and len(answer["tools"]) == len(LISTED)
    summing = tools["add_five"]
    assert summing["description"] == "Adds five."
    assert list(summing["inputSchema"]["properties"]) == ["number"] and summing["inputSchema"]["required"] == ["number"]
    assert summing["inputSchema"]["properties"]["number"]["description"] == "What to add five to"
    assert "repo_path" not in tools["git_log"]["inputSchema"]["properties"]
    booking = tools["book_entry"]
    assert {"amount"} <= set(booking["inputSchema"]["properties"]) and "currency" not in booking["inputSchema"][
        "properties"
    ]
    assert booking["annotations"]["idempotentHint"] is True


def test_the_typescript_client_calls_all_three(site: Any) -> None:
    running, _ = site
    url = running.url("office")
    assert typescript(url, "call", "any_echo", '{"message": "salut"}')[1]["content"][0]["text"].endswith("salut")
    assert "12" in typescript(url, "call", "add_five", '{"number": 7}')[1]["content"][0]["text"]
    image = typescript(url, "call", "any_get-tiny-image", "{}")[1]["content"]
    assert any(block["type"] == "image" and block["mimeType"] == "image/png" and block["data"] for block in image)
    code, log = typescript(url, "call", "git_log", '{"max_count": 1}')
    assert code == 0 and "Commit" in log["content"][0]["text"]
    code, booked = typescript(url, "call", "book_entry", '{"amount": 3.5, "requester": "ada", "memo": "ink"}')
    assert code == 0 and booked.get("isError") is not True and booked["structuredContent"]["currency"] == "EUR"


def test_the_typescript_client_gets_prompts_and_resources(site: Any) -> None:
    running, _ = site
    url = running.url("office")
    assert {prompt["name"] for prompt in typescript(url, "prompts")[1]["prompts"]} == {
        "any_simple-prompt",
        "ledger_monthly_review",
    }
    assert all(each["uri"].startswith("ledger://") for each in typescript(url, "resources")[1]["resources"])
    assert typescript(url, "read", "ledger://balance")[1]["contents"][0]["uri"] == "ledger://balance"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_python_clients_of_both_eras_use_it_alike(site: Any, mode: str) -> None:
    running, _ = site
    async with Client(running.url("office"), mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == list(order_of(running))
        assert "12" in the_text(await client.call_tool("add_five", {"number": 7}))
        refused = await client.call_tool("add_five", {"number": 7, "b": 6})
        assert refused.is_error and "cannot be set" in the_text(refused)
        for hidden in ("git_commit", "get-sum", "post_entry", "ledger_close_period"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(hidden, {})
            assert caught.value.error.code == -32602


def order_of(running: Any) -> list[str]:
    """The listed names as the TypeScript client sees them: the order is the same for everybody."""
    return [tool["name"] for tool in typescript(running.url("office"), "list")[1]["tools"]]


async def test_the_file_server(site: Any) -> None:
    running, folder = site
    async with Client(running.url("shelf")) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"read_text_file", "list_directory"}
        note = await client.call_tool("read_text_file", {"path": str(folder / "shelf" / "note.txt")})
        assert "read me" in the_text(note)


async def test_conflicts_by_priority_and_by_prefix(site: Any) -> None:
    running, _ = site
    async with Client(running.url("first")) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert len(names) == len(set(names)) and "query_balance" in names
    async with Client(running.url("both")) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"ledger_query_balance", "again_query_balance"} <= set(names) and "query_balance" not in names
