"""What is refused before a pipeline sees it: one record, one count, one span each. On both planes, at the edge."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from mcp_gateway.admin.explain.story import lines, tell
from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import Receiver, receiving
from tests.telemetry.site import AGENT, PARENT, TRACE, Site, site, spans

BOTH = "application/json, text/event-stream"
JSON: Mapping[str, str] = {"content-type": "application/json", "accept": BOTH}
MODERN: Mapping[str, str] = {**JSON, "mcp-protocol-version": "2026-07-28"}
DESK, CHAT = "/servers/desk/mcp", "/v1/chat/completions"
CANARY = "canary-9b2e5a71"
HELD = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


class Case(NamedTuple):
    """One request, and how it is refused."""

    plane: str
    reason: str
    status: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b"{}"


CASES = (
    Case("mcp", "unauthenticated", 401, "POST", DESK, {**MODERN, "authorization": f"Bearer {CANARY}"}),
    Case("mcp", "invalid_json", 400, "POST", DESK, MODERN, b'{"id": 1, "id": "%s"}' % CANARY.encode()),
    Case("mcp", "invalid_json", 400, "POST", DESK, JSON, b"{"),
    Case("mcp", "invalid_envelope", 400, "POST", DESK, MODERN, b"[]"),
    Case("mcp", "invalid_envelope", 400, "POST", DESK, JSON, HELD.encode()),
    Case("mcp", "header_mismatch", 400, "POST", DESK, {**JSON, "mcp-protocol-version": "2026-07-28"}, b"%s"),
    Case("mcp", "session_unknown", 404, "POST", DESK, {**JSON, "mcp-session-id": CANARY}, HELD.encode()),
    Case("mcp", "session_unknown", 404, "GET", DESK, {**JSON, "mcp-session-id": CANARY}),
    Case("mcp", "session_unknown", 404, "DELETE", DESK, {**JSON, "mcp-session-id": CANARY}),
    Case("mcp", "not_acceptable", 406, "POST", DESK, {**MODERN, "accept": "text/html"}),
    Case("mcp", "unsupported_media_type", 415, "POST", DESK, {**MODERN, "content-type": "text/plain"}),
    Case("mcp", "method_not_allowed", 405, "PUT", DESK, MODERN),
    Case("mcp", "not_found", 404, "POST", f"/servers/none/mcp?access_token={CANARY}", MODERN),
    Case("mcp", "host_not_allowed", 421, "POST", DESK, {**MODERN, "host": "evil.example"}),
    Case("mcp", "origin_not_allowed", 403, "POST", DESK, {**MODERN, "origin": "https://evil.example"}),
    Case("llm", "unauthenticated", 401, "POST", CHAT, {**JSON, "authorization": f"Bearer {CANARY}"}),
    Case("llm", "unauthenticated", 401, "POST", "/v1/messages", {**JSON, "x-api-key": CANARY}),
    Case("llm", "invalid_json", 400, "POST", CHAT, JSON, b"{"),
    Case("llm", "invalid_request", 400, "POST", CHAT, JSON, b"[]"),
    Case("llm", "unsupported_media_type", 415, "POST", CHAT, {"content-type": "text/plain"}),
    Case("llm", "method_not_allowed", 405, "GET", CHAT, JSON),
    Case("llm", "not_found", 404, "GET", "/v1/nothing", JSON),
    Case("llm", "unknown_model", 404, "GET", "/v1/models/nowhere%0d%0aforged", JSON),
    Case("edge", "body_too_large", 413, "POST", DESK, MODERN, b"x" * 70_000),
    Case("edge", "headers_too_large", 431, "GET", f"{DESK}?key={CANARY}", {"x": "y" * 40_000}),
    Case("edge", "url_too_long", 414, "GET", "/" + "x" * 9_000, JSON),
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def body_of(case: Case) -> bytes:
    if case.reason != "header_mismatch":
        return case.body
    told = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": told}}).encode()


async def ask(here: Site, case: Case) -> httpx.Response:
    """The answer, by a client of its own: the edge closes the connections of those that it refuses."""
    async with httpx.AsyncClient(timeout=30) as http:
        url = httpx.URL(here.gateway.url).copy_with(raw_path=case.path.encode())
        content = None if case.method == "GET" else body_of(case)
        return await http.request(case.method, url, headers={"traceparent": PARENT, **case.headers}, content=content)


def refused(here: Site) -> list[dict[str, Any]]:
    return [line for line in here.gateway.lines.records if line["event"] == "refused"]


def counts(shown: str) -> dict[tuple[str, str], int]:
    found = re.findall(r'^mcp_gateway_refusals_total\{plane="(\w+)",reason="(\w+)"\} (\d+)$', shown, re.MULTILINE)
    return {(plane, reason): int(count) for plane, reason, count in found}


async def test_each_is_recorded_counted_and_traced_once(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    limits = {"server": {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}}}
    limits["server"]["limits"] = {"body": "64KiB"}
    expected: dict[tuple[str, str], int] = {}
    async with site(tmp_path, upstream, collector, gateway=limits) as here:
        for number, case in enumerate(CASES, 1):
            answer = await ask(here, case)
            assert answer.status_code == case.status, (case, answer.text)
            assert len(refused(here)) == number, case
            record = refused(here)[-1]
            wanted = (case.plane, case.reason, case.status, answer.headers["x-request-id"])
            assert (record["plane"], record["reason"], record["status"], record["request_id"]) == wanted
            assert (record["client_address"], record["http_method"]) == ("127.0.0.1", case.method)
            assert record["outcome"] == "refused" and "server-timing" in answer.headers
            key = (case.plane, case.reason)
            expected[key] = expected.get(key, 0) + 1
        assert counts(await here.metrics()) == expected
        assert [line for line in here.gateway.lines.records if line["event"] in ("call", "completion")] == []
        found = await spans(collector, len(CASES))
        records = refused(here)
    by_id = {span.attributes["mcp_gateway.request.id"]: span for span in found}
    assert len(by_id) == len(found) == len(CASES)
    for case, record in zip(CASES, records, strict=True):
        span = by_id[record["request_id"]]
        told = span.attributes
        assert (span.kind, span.status) == (2, 0)
        # Of what the edge did not read to its end it knows no context either.
        assert (span.trace, span.parent) == (TRACE, AGENT) or case.status in (414, 431)
        assert (told["error.type"], told["http.response.status_code"]) == (case.reason, case.status)
        assert told["http.request.method"] == case.method and told["url.path"] == record["path"]
        assert span.name.startswith(case.method) and len(span.name) < 64
        story = "\n".join(lines(tell(record["request_id"], [{**record, "chain": "c", "seq": 1}])))
        assert f"refused: {case.reason} (" in story and f"HTTP {case.status}, before policies" in story
    shown = json.dumps(records) + str(found)
    assert CANARY not in shown and "evil.example" not in shown, "neither credentials nor queries, nor foreign names"
    assert all(str(value).isprintable() and len(str(value)) <= 320 for record in records for value in record.values())


async def test_what_a_token_lacks_is_in_the_record_and_not_in_the_answer(tmp_path: Path, upstream: Recording) -> None:
    async with site(tmp_path, upstream, None) as here:
        answer = await ask(here, CASES[0])
        (record,) = refused(here)
    assert record["why"] == "opaque" and "opaque" not in answer.text + str(answer.headers)
    assert record["principal"] is None and record["server"] == "desk"


async def test_a_flood_of_strangers_fills_neither_the_record_nor_the_queue_of_spans(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    audit = {"audit": {"unknown_per_minute": 50}}
    stranger = CASES[0]
    async with site(tmp_path, upstream, collector, **audit) as here:
        answers = [await here.http.post(here.gateway.url + DESK, headers=stranger.headers) for _ in range(30)]
        assert {answer.status_code for answer in answers} == {401}
        assert len(refused(here)) == 5, "the tenth part is there for one address"
        shown = await here.metrics()
        assert counts(shown) == {("mcp", "unauthenticated"): 30}
        assert 'mcp_gateway_refusals_unrecorded_total{plane="mcp",reason="unauthenticated"} 25' in shown
        # Who is known is recorded one by one, and before that is said how many were not.
        assert (await ask(here, CASES[2])).status_code == 400
        *_, unrecorded, last = here.gateway.lines.records
        assert (unrecorded["event"], unrecorded["refusals"]) == ("unrecorded", {"unauthenticated": 25})
        assert (last["reason"], last["principal"]) == ("invalid_json", "anonymous")
        await here.http.post(here.gateway.url + DESK, headers=stranger.headers)
        found = await spans(collector, 6)
        records = here.gateway.lines.records
    assert len(found) == 6, "spans are bounded as records are"
    assert records[-1]["refusals"] == {"unauthenticated": 1}, "what is not said is said at the end"


async def test_bytes_that_are_no_http_have_a_record(tmp_path: Path, upstream: Recording) -> None:
    async with site(tmp_path, upstream, None) as here:
        url = httpx.URL(here.gateway.url)
        assert url.port is not None
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"GET http://user:%s@evil.example/x HTTP/9.9\r\n\r\n" % CANARY.encode())
        answer = await reader.read()
        writer.close()
        (record,) = refused(here)
    assert b" 400 " in answer and record["request_id"].encode() in answer
    assert (record["plane"], record["reason"]) == ("edge", "malformed_request")
    assert CANARY not in json.dumps(record)
