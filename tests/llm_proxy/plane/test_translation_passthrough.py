"""Where client and provider speak one dialect, what the gateway does not know passes as it came, both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.llm_proxy.double.faults import Raw
from tests.llm_proxy.plane.site import BASE, Site, official

Json = dict[str, Any]


class Way(NamedTuple):
    """A dialect and who speaks it."""

    dialect: str
    provider: str
    path: str


WAYS = (
    Way("chat", "openai", "/v1/chat/completions"),
    Way("responses", "native", "/v1/responses"),
    Way("messages", "anthropic", "/v1/messages"),
)

WHOLE = {
    "chat": b'{ "choices":[{"index":0,"zeal":[1.50],"message":{"role":"assistant","content":"\\u00fc",'
    b'"zest":{}},"finish_reason":"stop"}],\n "id":"x","usage":{"prompt_tokens":1,"completion_tokens":2,"zinc":3}}',
    "responses": b'{ "id":"x","status":"completed","output":[{"type":"zeal","n":1e2}],"zest":null,\n'
    b'"usage":{"input_tokens":1,"output_tokens":2,"zinc":3}}',
    "messages": b'{ "type":"message","id":"x","content":[{"type":"zeal","n":1e2}],"stop_reason":"zonked","zest":{},\n'
    b'"usage":{"input_tokens":1,"output_tokens":2,"zinc":3}}',
}

STREAMED = {
    "chat": b'data: {"id":"x", "choices":[{"index":0,"delta":{"content":"\\u00fc","zeal":1.50}}],"zest":{}}\n\n'
    b'data: {"id":"x", "choices":[{"index":0,"delta":{"zeal":2},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"x", "choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"zinc":3}}\n\n'
    b"data: [DONE]\n\n",
    "responses": b'event: response.created\ndata: {"type":"response.created","response":{"id":"x","zeal":1.50}}\n\n'
    b'event: response.zeal.delta\ndata: {"type":"response.zeal.delta", "n":1e2}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"x","status":"completed",'
    b'"output":[],"usage":{"input_tokens":1,"output_tokens":2}}}\n\n',
    "messages": b'event: message_start\ndata: {"type":"message_start","message":{"id":"x","zeal":1.50,'
    b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: zeal\ndata: {"type":"zeal", "n":1e2}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"zeal"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"zeal_delta"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"zonked"},'
    b'"usage":{"output_tokens":2}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with official(tmp_path_factory.mktemp("site")) as site:
        yield site


async def post(site: Site, way: Way, **more: Any) -> httpx.Response:
    body = {"zeal": {"b": [1, None, 1.5], "a": "ü"}, "model": f"{way.provider}/m", **BASE[way.dialect], **more}
    async with httpx.AsyncClient() as http:
        headers = {"content-type": "application/json"}
        answer = await http.post(site.gateway.url + way.path, content=orjson.dumps(body), headers=headers)
    if way.dialect == "chat" and more.get("stream"):
        body["stream_options"] = {**body.get("stream_options", {}), "include_usage": True}
    assert answer.status_code == 200
    assert site.double.requests[-1].body == orjson.dumps({**body, "model": "m"})
    return answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.dialect)
async def test_whole_answers_are_the_provider_s_bytes(site: Site, way: Way) -> None:
    site.double.script(Raw(WHOLE[way.dialect]))
    answer = await post(site, way)
    assert answer.content == WHOLE[way.dialect]
    assert site.gateway.records[-1]["attempts"][0]["usage"] == {"input": 1, "output": 2}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.dialect)
async def test_streams_are_the_provider_s_bytes(site: Site, way: Way) -> None:
    site.double.script(Raw(STREAMED[way.dialect], "text/event-stream"))
    more: Json = {"stream_options": {"include_usage": True, "zest": 1}} if way.dialect == "chat" else {}
    answer = await post(site, way, stream=True, **more)
    assert answer.content == STREAMED[way.dialect]
    assert site.gateway.records[-1]["attempts"][0]["usage"] == {"input": 1, "output": 2}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_client_that_did_not_ask_for_the_usage_gets_all_but_that(site: Site) -> None:
    site.double.script(Raw(STREAMED["chat"], "text/event-stream"))
    answer = await post(site, WAYS[0], stream=True)
    told = b'data: {"id":"x", "choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"zinc":3}}\n\n'
    assert answer.content == STREAMED["chat"].replace(told, b"")
