"""What the conformance suite does not ask of the everything server: each tool that asks works in the other era too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.context import ClientRequestContext
from mcp_types import ListRootsResult, PromptReference, Root, TextContent
from pydantic import FileUrl

from tests.conformance.client_driver import elicit, sample
from tests.conformance.systems import everything
from tests.upstreams.everything import make
from tests.upstreams.everything_asking import asking_tools

ROOT = str(Path(__file__).parents[2])
ARGUMENTS = {"test_sampling": {"prompt": "Which city?"}, "test_elicitation": {"message": "Well?"}}


async def roots(context: ClientRequestContext) -> ListRootsResult:
    return ListRootsResult(roots=[Root(uri=FileUrl("file:///work"))])


def client_of(server: Any, mode: str) -> Client:
    return Client(server, mode=mode, elicitation_callback=elicit, sampling_callback=sample, list_roots_callback=roots)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_tools_that_ask_work_in_either_era(era: str) -> None:
    with everything(era) as url:
        async with client_of(url, "legacy" if era == "legacy" else "auto") as client:
            for spec in asking_tools():
                result = await client.call_tool(spec.tool.name, ARGUMENTS.get(spec.tool.name, {}))
                assert not result.is_error, spec.tool.name
                assert isinstance(result.content[0], TextContent)


async def test_it_offers_the_same_over_stdio() -> None:
    offered = {spec.tool.name for spec in asking_tools()}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "tests.upstreams.everything", "--transport", "stdio"], cwd=ROOT
    )
    async with client_of(command, "auto") as client:
        assert offered < {tool.name for tool in (await client.list_tools()).tools}
        assert not (await client.call_tool("test_simple_text", {})).is_error


async def test_completions_follow_what_was_typed() -> None:
    async with client_of(make(), "auto") as client:
        ref = PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        answer = await client.complete(ref, {"name": "arg1", "value": "par"})
        assert answer.completion.values == ["paris", "park", "party"]
