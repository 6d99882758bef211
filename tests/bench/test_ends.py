"""The ends of the bench do not flatter: messages are read whole however they are cut, and wrong answers are noticed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import AsyncIterator, Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import upstream
from tests.bench.asking import FIRST_NUMBER, MARK, Judge, Target, post, template
from tests.bench.load import drive, percentile, sample
from tests.bench.payloads import arguments, result
from tests.bench.sites import FULL, SITES, Site
from tests.bench.wire import HttpMessage, Reader, events

NUMBER = b"%d" % FIRST_NUMBER
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\ndata:\r\nc;x=1\r\n one\n\ndata: \r\n5\r\ntwo\n\n\r\n0\r\n\r\n"
)
PLAIN = b"HTTP/1.1 200 OK\r\nMcp-Session-Id: AbC\r\nContent-Length: 3\r\n\r\n{}\n"
BARE = b"DELETE /x HTTP/1.1\r\nhost: y\r\n\r\n"


@given(st.lists(st.sampled_from([STREAM, PLAIN, BARE]), max_size=4), st.lists(st.integers(0, 600), max_size=6))
def test_messages_are_the_same_however_the_bytes_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    data = b"".join(sent)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader = Reader()
    got = [one for start, stop in itertools.pairwise(edges) for one in reader.feed(data[start:stop])]
    assert [one.body for one in got] == [
        {STREAM: b"data: one\n\ndata: two\n\n", PLAIN: b"{}\n", BARE: b""}[one] for one in sent
    ]


def test_fields_keep_their_case_and_streams_give_their_events() -> None:
    plain, stream = Reader().feed(PLAIN + STREAM)
    assert (plain.status, plain.field(b"mcp-session-id"), plain.field(b"absent")) == (200, b"AbC", None)
    assert events(stream.body) == [b"one", b"two"]


@pytest.mark.parametrize(("rank", "wanted"), [(50, 50.0), (99, 99.0), (100, 100.0), (1, 1.0)])
def test_percentiles_are_values_that_occurred(rank: int, wanted: float) -> None:
    assert percentile(range(1, 101), rank) == wanted


def test_a_run_without_answers_has_no_percentiles() -> None:
    assert math.isnan(sample([], 1_000_000, 0, ["no answer"]).p50_ms)


# ---------------------------------------------------------------- judging


def answer_of(site: Site) -> tuple[Judge, HttpMessage]:
    """A judge, and the upstream's right answer to the first request."""
    target = Target(1, site.path, site.era, site)
    (asked,) = Reader().feed(template(target, b"any").replace(MARK, NUMBER))
    (answered,) = Reader().feed(upstream.Server(site).answer(asked))
    return Judge(target), answered


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_right_answers_pass_with_their_own_number_only(site: Site) -> None:
    judge, answered = answer_of(site)
    assert judge(answered, NUMBER) is None
    assert judge(answered, NUMBER) is None
    assert judge(answered, b"%d" % (FIRST_NUMBER + 1)) is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one._replace(head=one.head.replace(b"200", b"503", 1)),
        lambda one: one._replace(body=b"{}"),
        lambda one: one._replace(body=one.body[:-2]),
        lambda one: one._replace(body=one.body.replace(b"4711.00", b"4711.01", 1)),
        lambda one: one._replace(body=one.body.replace(b'"id":' + NUMBER, b'"id":"%b"' % NUMBER)),
        lambda one: one._replace(body=one.body.replace(b"entry " + NUMBER, b"entry 10000001")),
        lambda one: one._replace(body=one.body.replace(b'"progressToken":' + NUMBER, b'"progressToken":10000001')),
        lambda one: one._replace(body=one.body.replace(b'"isError":false', b'"isError":true')),
    ],
    ids=["status", "empty", "cut", "amount", "id", "key", "token", "error"],
)
@pytest.mark.parametrize("site", [site for site in SITES if site.shape == "sse"], ids=lambda site: site.name)
def test_wrong_answers_are_noticed_before_and_after_a_right_one(
    site: Site, spoil: Callable[[HttpMessage], HttpMessage]
) -> None:
    judge, answered = answer_of(site)
    assert judge(spoil(answered), NUMBER) is not None
    assert judge(answered, NUMBER) is None
    assert judge(spoil(answered), NUMBER) is not None


def test_a_list_that_lacks_a_tool_is_wrong() -> None:
    site = next(site for site in SITES if site.tools == 200)
    target = Target(1, site.path, site.era, site, "tools/list")
    (asked,) = Reader().feed(template(target).replace(MARK, NUMBER))
    (answered,) = Reader().feed(upstream.Server(site).answer(asked))
    assert Judge(target)(answered, NUMBER) is None
    whole = orjson.loads(answered.body)
    whole["result"]["tools"].pop(100)
    assert Judge(target)(answered._replace(body=orjson.dumps(whole)), NUMBER) is not None


# ---------------------------------------------------------------- the upstream and the load together


@pytest.mark.parametrize("spoil", [(b"receipts", b"deceipts"), (b'"line":6', b'"line":7'), (b"payables", b"payable")])
def test_a_full_answer_is_judged_to_its_end(spoil: tuple[bytes, bytes]) -> None:
    judge, answered = answer_of(FULL)
    assert judge(answered._replace(body=answered.body.replace(*spoil, 1)), NUMBER) is not None
    assert judge(answered, NUMBER) is None


def test_a_full_call_carries_a_kilobyte_and_its_result_two() -> None:
    number = NUMBER.decode()
    assert 900 <= len(orjson.dumps(arguments(FULL, number))) <= 1_100
    assert 1_900 <= len(orjson.dumps(result(FULL, number))) <= 2_200


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    async with await upstream.serve() as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
async def test_the_load_meets_the_upstream(site: Site) -> None:
    async with listening() as port:
        target = Target(port, site.path, site.era, site)
        done = await drive(target, 3, warm=0, seconds=30, requests=7)
    assert (done.answers, done.wrong) == (21, ())
    assert 0 < done.p50_ms <= done.p99_ms


async def test_refusals_and_lost_connections_are_counted() -> None:
    site = SITES[0]
    async with listening() as port:
        refused = await drive(Target(port, "/nowhere", "new", site), 2, warm=0, seconds=30, requests=3)
    assert len(refused.wrong) == 6

    class Hangs(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.close()

    server = await asyncio.get_running_loop().create_server(Hangs, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        lost = await drive(Target(port, site.path, "new", site), 2, warm=0, seconds=30, requests=3)
    assert (lost.answers, len(lost.wrong)) == (0, 2)


@pytest.mark.parametrize("site", [site for site in SITES if site.tools == 20], ids=lambda site: site.name)
def test_the_upstream_refuses_the_other_era(site: Site) -> None:
    other = Target(1, site.path, "old" if site.era == "new" else "new", site)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    (asked,) = Reader().feed(post(other, message, b"any"))
    (answered,) = Reader().feed(upstream.Server(site).answer(asked))
    assert answered.status == 400
