"""Guards of one's own over HTTP: the contract, and everything that can go wrong on the way, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.circuit import Circuit
from mcp_gateway.core.egress.fetch import MOST_BYTES, Fetcher
from mcp_gateway.core.errors import GatewayError, ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.safety.content import Carrier
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.verdict import Action, Mode, Operation, Verdict
from mcp_gateway.envelopes.safety.webhook import Webhook
from mcp_gateway.envelopes.safety.webhook_post import GuardFailed, Post, Target
from mcp_gateway.envelopes.safety.webhook_wire import answer
from tests.core.egress_double import FaultServer, Peer, Script, always, ok, serve
from tests.envelopes.safety.content import Texts

ANN = Principal(id="corp|ann", subject="ann", email="ann@example.com")
MESSAGE = Texts([Carrier("hello")], principal=ANN, metadata={"team": "ops"})


@asynccontextmanager
async def site(script: Script, *, seconds: float = 10.0, **config: Any) -> AsyncIterator[tuple[Webhook, FaultServer]]:
    """A guard at a server that runs `script`, asked again without a pause."""
    fetcher = Fetcher()
    try:
        async with serve(script) as server:
            headers = {name: Secret(value) for name, value in config.pop("headers", {}).items()}
            url = f"http://127.0.0.1:{server.origin.port}/guard"
            target = Target(url, headers, seconds, config.pop("retries", 2))
            yield Webhook(Post(fetcher, target, delay=0.0), config.pop("config", None), **config), server
    finally:
        await fetcher.close()


def recorded(responses: list[bytes], seen: list[bytes]) -> Script:
    """One response after the other, over all connections; the last one again and again."""

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            peer.send(responses[min(len(seen), len(responses)) - 1])

    return script


def status(code: int) -> bytes:
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % code


async def test_what_is_asked() -> None:
    seen: list[bytes] = []
    script = recorded([ok(b'{"verdict":true}')], seen)
    async with site(
        script, headers={"X-Api-Key": "hunter2"}, config=MappingProxyType({"level": (3, MappingProxyType({}))})
    ) as (webhook, _):
        assert not (await webhook(MESSAGE, rewrite=False)).denied
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /guard HTTP/1.1\r\n") and b"\r\nX-Api-Key: hunter2\r\n" in head + b"\r\n"
    assert b"content-type: application/json" in head
    assert orjson.loads(body) == {
        "requestBody": {"texts": ["hello"]},
        "config": {"level": [3, {}]},
        "context": {
            "user": {
                "subjectId": "ann",
                "subjectType": "user",
                "subjectSlug": "corp|ann",
                "subjectDisplayName": "ann@example.com",
            },
            "metadata": {"team": "ops"},
        },
    }


@pytest.mark.parametrize(
    ("said", "rewrite", "denied", "texts"),
    [
        ({}, True, False, None),
        ({"verdict": True}, True, False, None),
        ({"verdict": False}, True, True, None),
        ({"verdict": False, "transformed": True, "result": {"texts": ["x"]}}, True, True, None),
        ({"verdict": True, "transformed": True, "result": {"texts": ["x"]}}, True, True, ["x"]),
        ({"transformed": True, "result": {"texts": ["x"]}}, True, True, ["x"]),
        ({"transformed": True, "result": {"texts": ["x"]}}, False, False, None),
        ({"transformed": False, "result": {"texts": ["x"]}}, True, False, None),
        ({"verdict": True, "extra": 1}, True, False, None),
    ],
)
async def test_what_the_answer_means(
    said: dict[str, object], rewrite: bool, denied: bool, texts: list[str] | None
) -> None:
    async with site(always(ok(orjson.dumps(said)))) as (webhook, _):
        examined = await webhook(MESSAGE, rewrite=rewrite)
    assert examined.denied is denied and bool(examined.findings) is denied
    assert (examined.content.texts if isinstance(examined.content, Texts) else None) == texts


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"true", b"not json", b'{"verdict":"yes"}', b'{"verdict":null}', b'{"transformed":1}',
     b'{"transformed":true}', b'{"transformed":true,"result":[]}', b'{"verdict":true,"verdict":false}'],
)  # fmt: skip
async def test_what_is_not_of_the_contract_is_no_judgement(body: bytes) -> None:
    async with site(always(ok(body))) as (webhook, server):
        with pytest.raises(ProtocolViolation):
            await webhook(MESSAGE, rewrite=True)
        assert server.connections == 1


async def test_a_result_that_is_no_message_is_no_judgement() -> None:
    async with site(always(ok(b'{"transformed":true,"result":{"other":1}}'))) as (webhook, _):
        with pytest.raises((KeyError, ValueError)):
            await webhook(MESSAGE, rewrite=True)


@pytest.mark.parametrize(("code", "asked"), [(400, 1), (401, 1), (302, 1), (404, 1), (429, 3), (500, 3), (503, 3)])
async def test_another_status_is_a_failure_and_asked_again_where_that_may_help(code: int, asked: int) -> None:
    seen: list[bytes] = []
    async with site(recorded([status(code)], seen)) as (webhook, _):
        with pytest.raises(GuardFailed, match=str(code)):
            await webhook(MESSAGE, rewrite=True)
    assert len(seen) == asked


async def test_a_guard_that_recovers_is_heard() -> None:
    seen: list[bytes] = []
    script = recorded([status(503), status(500), ok(b'{"verdict":false}')], seen)
    async with site(script) as (webhook, _):
        assert (await webhook(MESSAGE, rewrite=False)).denied
    assert len(seen) == 3 and len(set(seen)) == 1


async def test_a_connection_that_breaks_is_tried_again() -> None:
    turns: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        turns.append(1)
        if len(turns) < 3:
            peer.reset()
        else:
            peer.send(ok(b"{}"))

    async with site(script) as (webhook, _):
        assert not (await webhook(MESSAGE, rewrite=False)).denied
    assert len(turns) == 3


async def test_a_guard_that_says_nothing_is_given_up_in_time() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.closed()

    async with site(silent, seconds=0.05) as (webhook, server):
        with pytest.raises(TimedOut):
            await webhook(MESSAGE, rewrite=False)
        assert server.connections == 1


async def test_a_guard_that_is_not_there_is_unreachable() -> None:
    async with site(always(ok(b"{}"))) as (_, server):
        port = server.origin.port
    fetcher = Fetcher()
    try:
        webhook = Webhook(Post(fetcher, Target(f"http://127.0.0.1:{port}/", {}), delay=0.0))
        with pytest.raises(Unreachable):
            await webhook(MESSAGE, rewrite=False)
    finally:
        await fetcher.close()


async def test_an_endless_answer_is_cut_off() -> None:
    async with site(always(ok(b"x" * (MOST_BYTES + 1)))) as (webhook, _):
        with pytest.raises(ProtocolViolation):
            await webhook(MESSAGE, rewrite=False)


@pytest.mark.parametrize(("target", "asked"), [("any", 1), ("request", 1), ("response", 0)])
async def test_a_guard_for_responses_is_not_asked_about_requests(target: str, asked: int) -> None:
    seen: list[bytes] = []
    async with site(recorded([ok(b'{"verdict":false}')], seen), target=target) as (webhook, _):
        assert (await webhook(MESSAGE, rewrite=False)).denied is bool(asked)
    assert len(seen) == asked


async def test_a_cancelled_question_lets_go_of_its_connection() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.closed()
        gone.set()

    async with site(script) as (webhook, _):
        asking = asyncio.ensure_future(webhook(MESSAGE, rewrite=False))
        await arrived.wait()
        asking.cancel()
        await gone.wait()
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize(
    ("mode", "action"), [(Mode.ENFORCE, Action.BLOCK), (Mode.ENFORCE_BUT_IGNORE_ON_ERROR, Action.ALLOW)]
)
async def test_after_failures_in_a_row_the_guard_is_left_alone_and_its_mode_decides(mode: Mode, action: Action) -> None:
    seen: list[bytes] = []
    async with site(recorded([status(500)], seen), retries=0) as (webhook, _):
        guard = Guard("g/hook", Operation.VALIDATE, mode, 1, 5.0, webhook, Circuit(failures=2, cooldown=60))
        judged = [(await guard.judge(MESSAGE))[0] for _ in range(4)]
    assert {judgement.verdict for judgement in judged} == {Verdict.ERROR}
    assert {judgement.action for judgement in judged} == {action}
    assert [judgement.failure for judgement in judged] == ["GuardFailed", "GuardFailed", "open", "open"]
    assert len(seen) == 2


async def test_secrets_are_in_no_text_that_may_be_seen() -> None:
    async with site(always(status(500)), headers={"Authorization": "Bearer hunter2"}) as (webhook, _):
        with pytest.raises(GuardFailed) as failed:
            await webhook(MESSAGE, rewrite=False)
    target = Target("http://127.0.0.1/", {"Authorization": Secret("Bearer hunter2")})
    assert "hunter2" not in f"{failed.value} {failed.value!r} {target} {target!r}"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "`url` is needed"),
        ({"url": "ftp://x/"}, "`url`"),
        ({"url": "https://guard/", "headers": {"Host": "hunter2"}}, "host|Host"),
        ({"url": "https://guard/", "headers": {"X": "hunter2\r\nY: z"}}, "control character"),
        ({"url": "https://guard/", "headers": {"Ä": "hunter2"}}, "ASCII"),
        ({"url": "https://guard/", "headers": {"X": 5}}, "not a string"),
        ({"url": "https://guard/", "retries": 99}, "`retries`"),
        ({"url": "https://guard/", "target": "both"}, "`target`"),
        ({"url": "https://guard/", "retry": 1}, "did you mean `retries`"),
    ],
)
async def test_wrong_options_are_refused(config: Mapping[str, object], message: str) -> None:
    fetcher = Fetcher()
    try:
        with pytest.raises(ValueError, match=message) as refused:
            Webhook.of(config, fetcher=fetcher)
        assert "hunter2" not in str(refused.value)
    finally:
        await fetcher.close()


@given(st.binary(max_size=200))
def test_no_answer_breaks_the_reader(body: bytes) -> None:
    try:
        answer(body)
    except GatewayError as error:
        assert isinstance(error, ProtocolViolation)
