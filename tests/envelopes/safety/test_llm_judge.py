"""A model as a judge, over real sockets: what it is told, and what counts as its verdict."""

from __future__ import annotations

import orjson
import pytest

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.safety.content import Examined
from mcp_gateway.envelopes.safety.llm_judge import LlmJudge
from tests.core.egress_double import Peer, ok, serve
from tests.envelopes.safety.content import Texts


async def judged(said: str, seen: list[bytes], text: str = "hello", **config: object) -> Examined:
    body = orjson.dumps({"choices": [{"finish_reason": "stop", "message": {"content": said}}]})

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            peer.send(ok(body))

    fetcher = Fetcher()
    try:
        async with serve(script) as server:
            url = f"http://127.0.0.1:{server.origin.port}/v1/chat/completions"
            options = {"url": url, "model": "m", "preset": "moderation", "api_key": Secret("canary"), **config}
            return await LlmJudge.of(options, fetcher=fetcher)(Texts.of(text), rewrite=False)
    finally:
        await fetcher.close()


async def test_a_score_from_the_threshold_on_is_denied_by_category() -> None:
    seen: list[bytes] = []
    assert (await judged('{"score":0.5,"categories":["hate"]}', seen)).findings == {"hate": 1}
    assert not (await judged('{"score":0.4,"categories":[]}', seen)).denied
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert b"Authorization: Bearer canary" in head and b"canary" not in body
    marks = [orjson.loads(each.partition(b"\r\n\r\n")[2])["messages"][1]["content"].split()[1] for each in seen]
    assert len(set(marks)) == 2


@pytest.mark.parametrize(
    "said", ["", "fine", "[]", '{"score":0.1}', '{"score":2,"categories":[]}', '{"score":0,"categories":["x"]}']
)
async def test_anything_but_a_verdict_is_a_failure(said: str) -> None:
    with pytest.raises(ProtocolViolation):
        await judged(said, [])


async def test_a_message_that_is_too_long_is_denied_without_asking() -> None:
    seen: list[bytes] = []
    assert (await judged("", seen, "x" * 50, max_chars=10)).findings == {"judge_too_long": 1}
    assert not seen


async def test_a_key_that_is_written_out_is_refused() -> None:
    with pytest.raises(ValueError, match="must name a secret") as refused:
        await judged("", [], api_key="canary")
    assert "canary" not in str(refused.value)
