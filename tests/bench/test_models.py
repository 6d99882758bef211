"""The ends of requests to models do not flatter either, and what is reported of them is what the rounds say."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from tests.bench import provider
from tests.bench.asking import FIRST_NUMBER, MARK
from tests.bench.completions import CHUNKS, chunks, whole
from tests.bench.load import Sample, drive
from tests.bench.measure import Round
from tests.bench.models import LITELLM, PORTKEY, CompletionJudge, ModelTarget, model_scenarios
from tests.bench.models_config import model_policies
from tests.bench.models_report import model_figures
from tests.bench.wire import EVENT_STREAM, HttpMessage, Reader, events

NUMBER = b"%d" % FIRST_NUMBER


def answer_of(stream: bool) -> HttpMessage:
    asked = ModelTarget(1, "m", stream).template().replace(MARK, NUMBER)
    (request,) = Reader().feed(asked)
    (answered,) = Reader().feed(b"".join(provider.Answers().answer(request)))
    return answered


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one._replace(head=one.head.replace(b"200", b"503", 1)),
        lambda one: one._replace(body=b"{}"),
        lambda one: one._replace(body=one.body[: len(one.body) // 2]),
        lambda one: one._replace(body=one.body.replace(b"and", b"or", 1)),
        lambda one: one._replace(body=one.body.replace(b'"' + NUMBER, b'"10000001').replace(b"Entry 1", b"Entry 2")),
        lambda one: one._replace(
            fields=one.fields.replace(b"text/event", b"?") if EVENT_STREAM in one.fields else EVENT_STREAM
        ),
    ],
    ids=["status", "empty", "cut", "text", "number", "media type"],
)
def test_wrong_answers_are_noticed_before_and_after_a_right_one(
    stream: bool, spoil: Callable[[HttpMessage], HttpMessage]
) -> None:
    judge, answered = CompletionJudge(stream), answer_of(stream)
    spoilt = spoil(answered)
    assert judge(spoilt, NUMBER) is not None
    assert judge(answered, NUMBER) is None
    if spoilt.fields == answered.fields:  # of an answer that is known, only the bytes are looked at
        assert judge(spoilt, NUMBER) is not None


def test_a_chunk_that_is_missing_and_one_that_came_twice_are_noticed() -> None:
    answered = answer_of(stream=True)
    head, *rest = answered.body.split(b"\n\n")
    for body in ([head, *rest[1:]], [head, rest[0], *rest]):
        assert CompletionJudge(True)(answered._replace(body=b"\n\n".join(body)), NUMBER) is not None


def test_answers_are_of_the_size_that_they_are_said_to_be() -> None:
    assert 550 <= len(whole()) <= 850
    assert len(chunks(usage=False)) == CHUNKS + 1
    told = [orjson.loads(event[6:].replace(MARK, NUMBER)) for event in chunks(usage=True)[:-1]]
    assert [one["usage"] is None for one in told] == [True] * CHUNKS + [False]
    assert len({len(one["obfuscation"]) for one in told[:-1]}) > 1


@pytest.mark.parametrize(
    ("spoil", "status"),
    [((b"POST", b"PUT"), 404), ((b"authorization", b"authority"), 401), ((b"entry", b"enter"), 400)],
    ids=["path", "key", "number"],
)
def test_the_provider_answers_no_other_request(spoil: tuple[bytes, bytes], status: int) -> None:
    (request,) = Reader().feed(ModelTarget(1, "m", False).template().replace(MARK, NUMBER).replace(*spoil))
    (answered,) = Reader().feed(b"".join(provider.Answers().answer(request)))
    assert answered.status == status


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    async with await provider.serve() as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_load_meets_the_provider(stream: bool) -> None:
    async with listening() as port:
        done = await drive(ModelTarget(port, "m", stream), 3, warm=0, seconds=30, requests=5, spent=lambda: 1.0)
    assert (done.answers, done.wrong, done.cpu_us) == (15, (), 0)
    assert 0 < done.first_ms <= done.p99_ms if stream else math.isnan(done.first_ms)


async def test_the_first_words_are_waited_for_and_not_the_first_event() -> None:
    late = 0.05

    class Thinks(provider.Connection):
        def data_received(self, data: bytes) -> None:
            (request,) = Reader().feed(data)
            role, *rest = provider.Answers().answer(request)
            told = b"".join(rest)
            cut = told.index(b'"content":"') + 14
            assert b"data: " in role
            self._transport.write(role)
            loop = asyncio.get_running_loop()
            loop.call_later(late, self._transport.write, told[:cut])
            loop.call_later(2 * late, self._transport.write, told[cut:])

    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Thinks(provider.Answers()), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        done = await drive(ModelTarget(port, "m", stream=True), 1, warm=0, seconds=30, requests=2)
    assert (done.answers, done.wrong) == (2, ())
    assert done.first_ms >= 1.9 * late * 1000


async def test_a_stream_is_not_one_piece() -> None:
    (request,) = Reader().feed(ModelTarget(1, "m", True).template().replace(MARK, NUMBER))
    pieces = provider.Answers().answer(request)
    assert len(pieces) == CHUNKS + 1
    assert [b'"content":"' + NUMBER in piece for piece in pieces].index(True) == provider.FIRST_WORDS
    (answered,) = Reader().feed(b"".join(pieces))
    assert len(events(answered.body)) == CHUNKS + 1


def test_what_is_reported_is_what_the_rounds_say() -> None:
    def one(rps: float, p50: float, first: float, cpu: float) -> Sample:
        return Sample(rps, p50, 9.0, 10, (), first, cpu)

    rounds: list[Round] = [
        {
            "llm_direct_whole_c1": one(1, 0.1, math.nan, math.nan),
            "llm_governed_whole_c1": one(1, 0.1 + added, math.nan, 1),
            "llm_governed_whole_c32": one(4000, 8, math.nan, 240),
            "llm_direct_stream_c1": one(1, 1, 0.2, math.nan),
            "llm_governed_stream_c1": one(1, 2, 0.2 + 2 * added, 1),
            "llm_governed_stream_c32": one(150, 9, 1, 5000),
        }
        for added in (0.2, 0.25, 3.0)
    ]
    assert model_figures(rounds, 140.0) == {
        "llm_rps": 4000,
        "llm_added_ms": 0.25,
        "llm_chunks_per_s": 30_000,
        "llm_first_token_added_ms": 0.5,
        "llm_rss_mb": 140.0,
        "llm_cpu_us": 240,
        "llm_chunk_cpu_us": 25,
    }
    assert model_figures([{}], None) == {}


def test_peers_are_measured_beside_the_gateway_when_there_are_any() -> None:
    names = {one.name for one in model_scenarios((LITELLM, PORTKEY))}
    assert {"llm_litellm_whole_c32", "llm_portkey_stream_c1"} < names
    portkey = next(one for one in model_scenarios((PORTKEY,)) if one.system == PORTKEY)
    asked = portkey.target({PORTKEY: 2, "llm_direct": 7}, "token").template()
    assert b"x-portkey-custom-host: http://127.0.0.1:7/v1\r\n" in asked and b"Bearer token" not in asked


def test_there_are_as_many_policies_as_a_company_may_have() -> None:
    assert model_policies().count("@id(") == 50
