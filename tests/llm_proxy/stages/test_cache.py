"""What is kept of answers: how long, how many, for whom, and what the header may say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.stages.cache import MOST_BYTES, Kept, Wish, read_wish
from mcp_gateway.core.errors import Invalid
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import serving


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_time_and_no_longer() -> None:
    clock = Clock()
    kept = Kept(clock)
    kept.keep(b"k", b"answer", 10, 5)
    clock.now = 9.9
    assert kept.find(b"k") == b"answer"
    clock.now = 10
    assert kept.find(b"k") is None
    assert (kept.hits, kept.misses) == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=MOST_BYTES >> 22)), max_size=60), st.integers(1, 5))
def test_no_more_are_kept_than_may_be_and_the_latest_are(puts: list[tuple[int, bytes]], most: int) -> None:
    kept = Kept(Clock())
    for number, answer in puts:
        kept.keep(b"%d" % number, answer, 10, most)
    lately = list(dict.fromkeys(number for number, _ in reversed(puts)))[:most]
    last = dict(puts)
    assert [kept.find(b"%d" % number) for number in lately] == [last[number] for number in lately]
    assert sum(kept.find(b"%d" % number) is not None for number in range(21)) == len(lately)


def test_a_huge_answer_is_not_kept() -> None:
    kept = Kept(Clock())
    kept.keep(b"k", bytes(MOST_BYTES // 16 + 1), 10, 5)
    assert kept.find(b"k") is None


@pytest.mark.parametrize(
    ("written", "wish"),
    [
        ("{}", Wish("default", 259_200.0)),
        ('{"type":"exact-match","namespace":"n","ttl":60}', Wish("n", 60.0)),
    ],
)
def test_what_the_header_may_say(written: str, wish: Wish) -> None:
    assert read_wish([written]) == wish


@pytest.mark.parametrize(
    "written",
    ["", "x", "[]", '{"type":"semantic"}', '{"ttl":0}', '{"ttl":259201}', '{"ttl":"1"}', '{"ttl":true}', '{"n":1}',
     '{"namespace":1}', json.dumps({"namespace": "n" * 129})],
)  # fmt: skip
def test_what_it_may_not_say(written: str) -> None:
    with pytest.raises(Invalid):
        read_wish([written])


def test_it_comes_once() -> None:
    with pytest.raises(Invalid):
        read_wish(["{}", "{}"])


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


async def test_the_same_request_is_answered_once_by_the_provider(tmp_path: Path, double: Double) -> None:
    async with (
        serving(tmp_path, double, defaults={"cache": {"enabled": True}}) as gateway,
        httpx.AsyncClient(timeout=30) as http,
    ):

        async def ask(text: str = "Hi", *, cached: bool = True, **more: object) -> httpx.Response:
            headers = {"x-gateway-cache-config": "{}"} if cached else {}
            body = {"model": "openai/m", "messages": [{"role": "user", "content": text}], **more}
            return await http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)

        first, again = await ask(), await ask()
        assert first.content == again.content
        assert (first.headers["x-gateway-cache"], again.headers["x-gateway-cache"]) == ("miss", "hit")
        assert "x-gateway-cache" not in (await ask(cached=False)).headers
        assert (await ask("Ho")).headers["x-gateway-cache"] == "miss"
        assert (await ask(temperature=0.5)).headers["x-gateway-cache"] == "miss"
        assert "x-gateway-cache" not in (await ask(stream=True)).headers
        assert len(double.requests) == 5
        await gateway.reload(double, defaults={"cache": {"enabled": True}, "timeout": "9s"})
        assert (await ask()).headers["x-gateway-cache"] == "miss"


async def test_nothing_is_kept_where_the_configuration_does_not_say_so(tmp_path: Path, double: Double) -> None:
    async with serving(tmp_path, double) as gateway, httpx.AsyncClient(timeout=30) as http:
        body = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}]}
        for _ in range(2):
            answer = await http.post(
                f"{gateway.url}/v1/chat/completions", json=body, headers={"x-tfy-cache-config": "{}"}
            )
            assert "x-gateway-cache" not in answer.headers
    assert len(double.requests) == 2
