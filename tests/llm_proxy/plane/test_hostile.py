"""Whatever a client sends is answered in its dialect, and nothing of it is a defect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.llm_proxy.double.server import Double
from tests.llm_proxy.hostile import json_with
from tests.llm_proxy.plane.serving import FAMILIES, Gateway, serving

PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings")
RAW = [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"model": "openai/m", "model": "x"}', b'{"a":' * 300]


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


@pytest.fixture
async def gateway(tmp_path: Path, double: Double) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, double) as gateway:
        yield gateway


def bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies with the keys that are read, and anything under them."""
    names = ["messages", "input", "tools", "tool_choice", "max_tokens", "stop", "stream", "n", "system", "temperature"]
    names += ["response_format", "thinking", "reasoning", "metadata", "stream_options", "instructions", "text"]
    return st.dictionaries(st.sampled_from(names), json_with(names, ("auto", "text", "user", "function")), max_size=6)


def plain(path: str, answer: httpx.Response) -> bool:
    """Whether it is an error as the dialect has them."""
    error = answer.json()["error"]
    dialect = answer.json()["type"] == "error" if path == "/v1/messages" else "code" in error
    return dialect and isinstance(error["message"], str) and bool(answer.headers["x-request-id"])


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_no_request(gateway: Gateway, double: Double, path: str) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as http:
        for raw in RAW:
            answer = await http.post(path, content=raw, headers={"content-type": "application/json"})
            assert answer.status_code == 400, raw
            assert plain(path, answer)
        assert (await http.post(path, content=b"{}", headers={"content-type": "text/plain"})).status_code == 415
        assert (await http.get(path)).status_code == 405
        assert (await http.get("/v1/nothing")).status_code == 404
    assert not double.requests


async def test_anything_under_the_keys_that_are_read(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as http:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.sampled_from(PATHS), st.sampled_from(FAMILIES), bodies())
        def ask(path: str, family: str, body: dict[str, Any]) -> None:
            sent = json.dumps({"model": f"{family}/m", **body}).encode()
            asked = http.post(path, content=sent, headers={"content-type": "application/json"})
            answer = asyncio.run_coroutine_threadsafe(asked, loop).result(30)
            assert answer.status_code in (200, 400, 502, 504), answer.text
            if answer.status_code != 200:
                assert plain(path, answer)
                assert answer.json()["error"]["message"] != "internal error"

        await asyncio.to_thread(ask)
