"""An agent's run is one tree: completion → attempt, and MCP call → upstream; by the conventions, over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm_proxy.double.faults import Fault500
from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import Receiver, Seen, receiving
from tests.telemetry.site import AGENT, PARENT, TRACE, site, spans

SERVER, CLIENT = 2, 3
ERROR = 2


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def named(found: list[Seen], name: str, kind: int) -> Seen:
    (one,) = [span for span in found if span.name == name and span.kind == kind]
    return one


async def test_an_agents_run_is_one_tree(tmp_path: Path, upstream: Recording, collector: Receiver) -> None:
    async with site(tmp_path, upstream, collector) as here:
        answer = await here.complete(headers={"traceparent": PARENT, "tracestate": "vendor=1"})
        assert answer.status_code == 200
        called = await here.call(name="a_look_up", arguments={"word": "moon"}, meta={"traceparent": PARENT})
        assert called["result"]["content"][0]["text"] == "moon: found"
        found = await spans(collector, 4)
        sent = here.double.requests[-1].headers
    assert {span.trace for span in found} == {TRACE}
    asked = named(found, "chat openai/m", SERVER)
    attempt = named(found, "chat m", CLIENT)
    call = named(found, "tools/call a_look_up", SERVER)
    theirs = named(found, "tools/call look_up", CLIENT)
    assert (asked.parent, attempt.parent, call.parent, theirs.parent) == (AGENT, asked.span, AGENT, call.span)
    assert all(child.started >= parent.started for child, parent in ((attempt, asked), (theirs, call)))
    assert all(span.ended >= span.started and span.status == 0 for span in found)
    assert sent["traceparent"] == f"00-{TRACE}-{attempt.span}-01"
    assert sent["tracestate"] == "vendor=1"
    # In `_meta` and in the header.
    wanted = f"00-{TRACE}-{theirs.span}-01"
    assert upstream.holds([wanted]) == [wanted]
    assert upstream.holds([f"traceparent: {wanted}", f'"traceparent":"{wanted}"']) != []


async def test_spans_say_what_the_conventions_say(tmp_path: Path, upstream: Recording, collector: Receiver) -> None:
    contract: dict[str, Any] = {"metadata": {"keys": {"team": {}}}}
    async with site(tmp_path, upstream, collector, gateway=contract) as here:
        await here.complete(headers={"x-gateway-metadata": '{"team": "blue", "other": "hidden"}'})
        await here.call(name="a_look_up", arguments={"word": "canary-3f1c"})
        found = await spans(collector, 4)
    asked = named(found, "chat openai/m", SERVER).attributes
    attempt = named(found, "chat m", CLIENT).attributes
    call = named(found, "tools/call a_look_up", SERVER).attributes
    theirs = named(found, "tools/call look_up", CLIENT).attributes
    assert asked["gen_ai.operation.name"] == attempt["gen_ai.operation.name"] == "chat"
    assert (asked["gen_ai.request.model"], attempt["gen_ai.request.model"]) == ("openai/m", "m")
    assert attempt["gen_ai.provider.name"] == "openai"
    assert attempt["http.response.status_code"] == 200
    assert {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"} <= attempt.keys()
    assert asked["gen_ai.request.max_tokens"] == 10
    assert (asked["mcp_gateway.metadata.team"], "mcp_gateway.metadata.other" in asked) == ("blue", False)
    assert (call["mcp.method.name"], theirs["mcp.method.name"]) == ("tools/call", "tools/call")
    assert (call["gen_ai.tool.name"], theirs["gen_ai.tool.name"]) == ("a_look_up", "look_up")
    assert call["gen_ai.operation.name"] == theirs["gen_ai.operation.name"] == "execute_tool"
    assert call["jsonrpc.request.id"] == "7"
    assert call["mcp.protocol.version"] == "2026-07-28"
    assert (theirs["network.transport"], theirs["server.address"]) == ("tcp", "127.0.0.1")
    assert "mcp.session.id" not in call, "this version has no sessions"
    assert {span.resource["service.name"] for span in found} == {"mcp-gateway"}
    assert not any(b"canary-3f1c" in body for body in collector.bodies), "arguments are content"


async def test_what_fails_is_an_error_by_its_type(tmp_path: Path, upstream: Recording, collector: Receiver) -> None:
    async with site(tmp_path, upstream, collector) as here:
        here.double.script(*[Fault500()] * 5)
        assert (await here.complete()).status_code >= 500
        wrong = await here.call(name="a_look_up", arguments={})
        unknown = await here.call(name="nothing\r\n\x1b[31m" + "x" * 1_000)
        found = await spans(collector, 5)
    assert wrong["result"]["isError"] is True and "error" in unknown
    asked = named(found, "chat openai/m", SERVER)
    attempts = [span for span in found if span.name == "chat m"]
    assert asked.status == ERROR and asked.attributes["error.type"] == "upstream_unavailable"
    assert attempts and {span.attributes["error.type"] for span in attempts} == {"500"}
    assert {span.parent for span in attempts} == {asked.span}
    refused = [span for span in found if span.attributes.get("mcp.method.name") == "tools/call"]
    assert {span.status for span in refused} == {0}, "what a client asks wrongly is no error of a server"


async def test_nothing_is_made_of_a_trace_that_is_not_sampled(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    async with site(tmp_path, upstream, collector, trace_ratio=0.0) as here:
        quiet = PARENT[:-1] + "0"
        await here.complete(headers={"traceparent": quiet})
        await here.complete()
        sent = [each.headers["traceparent"] for each in here.double.requests]
        await here.complete(headers={"traceparent": PARENT})
        found = await spans(collector, 2)
    assert {span.trace for span in found} == {TRACE}
    assert all(each.endswith("-00") for each in sent), "those further on are told"
    assert sent[0][3:35] == TRACE != sent[1][3:35]


async def test_names_of_a_megabyte_and_with_line_breaks_are_one_short_escaped_attribute(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    evil = "m\r\n\x1b[31mtraceparent: 1" + "x" * 1_000_000
    async with site(tmp_path, upstream, collector) as here:
        assert (await here.complete(model=evil)).status_code == 404
        await here.call("tools/find")
        found = await spans(collector, 2)
        shown = await here.metrics()
    (asked,) = [span for span in found if "gen_ai.request.model" in span.attributes]
    (called,) = [span for span in found if "mcp.method.name" in span.attributes]
    assert asked.attributes["gen_ai.request.model"].startswith("m\\r\\n\\x1b[31m")
    assert called.attributes["mcp.method.name"] == "tools/find" and called.name == "_OTHER"
    texts = [str(value) for span in found for value in (span.name, *span.attributes.values())]
    assert all(text.isprintable() and len(text) < 2000 for text in texts)
    assert "xxxx" not in shown and "find" not in shown


@pytest.mark.parametrize(
    "hostile",
    [
        {"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"},
        {"traceparent": PARENT + "\x1b[31m"},
        {"traceparent": PARENT, "tracestate": "a=1," * 200},
        {"traceparent": PARENT, "tracestate": "evil\x1b=1"},
        {"traceparent": "x" * 5000, "baggage": "k=" + "v" * 5000 + ",\x1b[2J=1"},
    ],
)
async def test_hostile_context_is_as_if_it_had_not_been_sent(
    hostile: dict[str, str], tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    async with site(tmp_path, upstream, collector) as here:
        called: Any = await here.call(name="a_look_up", arguments={"word": "moon"}, meta=hostile)
        assert called["result"]["content"][0]["text"] == "moon: found"
        found = await spans(collector, 2)
    texts = [str(value) for span in found for value in (span.name, *span.attributes.values())]
    assert all(text.isprintable() and len(text) < 1000 for text in texts)
    assert len({span.trace for span in found}) == 1
    assert all(b"evil" not in body and b"a=1,a=1" not in body for body in collector.bodies)


async def test_the_meta_of_a_request_is_its_parent_and_its_headers_are_linked(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    ambient = f"00-{'a' * 32}-{'b' * 16}-01"
    async with site(tmp_path, upstream, collector) as here:
        await here.call(
            name="a_look_up", arguments={"word": "x"}, meta={"traceparent": PARENT}, headers={"traceparent": ambient}
        )
        await here.call("tools/list", headers={"traceparent": ambient})
        found = await spans(collector, 3)
    call, listed = named(found, "tools/call a_look_up", SERVER), named(found, "tools/list", SERVER)
    assert (call.parent, call.links) == (AGENT, ("b" * 16,))
    assert (listed.parent, listed.links) == ("b" * 16, ())
