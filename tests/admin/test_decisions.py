"""Decisions over the control plane: from the record alone, each to whom it may be shown."""

from __future__ import annotations

import asyncio
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.admin.explain.look import story_of
from mcp_gateway.admin.explain.story import facts
from mcp_gateway.admin.lookups import AT_ONCE, MOST_WAITING, Busy, Lookups
from tests.admin.making import plane
from tests.envelopes.observability.audit.support import begin

BODY = "hmac-sha256:0f1e2d3c:9a8b"


def call(number: int, principal: str, **more: Any) -> dict[str, Any]:
    return {
        "time": f"2099-01-01T00:00:{number:02d}.000Z",
        "event": "call",
        "request_id": f"abc-{number:x}",
        "principal": principal,
        "agent": None,
        "server": "desk",
        "method": "tools/call",
        "upstream": "ledger",
        "target": "post",
        "outcome": "ok",
        "reason": None,
        "snapshot": "s1",
        "duration_ms": 2.5,
        "upstream_ms": 1.0,
        "bodies": {"arguments": BODY},
        **more,
    }


def completion(number: int, principal: str, **more: Any) -> dict[str, Any]:
    attempts = [
        {"target": "openai/m", "status": 200, "cost_nano_usd": cost, "duration_ms": 1.0} for cost in (1500, 500)
    ]
    about = {"event": "completion", "dialect": "openai_chat", "model": "prod/m", "stream": False, "attempts": attempts}
    left_out = ("server", "method", "upstream", "target")
    return {name: value for name, value in {**call(number, principal), **about, **more}.items() if name not in left_out}


RECORDS = [
    {"time": "2099-01-01T00:00:00.000Z", "event": "principal", "who": "d1", "teams": ["ops"], "scopes": []},
    call(1, "corp|rita", asked={"who": "d1"}, decision="allow", policies=["p1", "p2"]),
    call(2, "corp|ada", outcome="refused", reason="policy_denied", decision="deny", policies=["no"]),
    {**call(3, "corp|rita"), "event": "intent"},
    call(3, "corp|rita", outcome="refused", reason="rate_limited", limit="few"),
    completion(4, "corp|rita"),
    completion(5, "corp|otto", outcome="refused", reason="guardrail_blocked",
        guardrails=[{"name": "pii", "action": "block"}, {"name": "x", "action": "allow"}, "odd"]),
    {**call(6, "corp|ada"), "event": "intent"},
    call(7, "corp|ada", server='say "hi" \\', policies="odd", limit=7, duration_ms="?", reason=["odd"], upstream=None),
]  # fmt: skip
LISTED = ["abc-7", "abc-5", "abc-4", "abc-3", "abc-2", "abc-1"]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Path]:
    """The folder of a record that a process writes."""
    chain = begin(tmp_path / "audit")
    for each in RECORDS:
        chain.append(each)
    assert chain.flush()
    yield tmp_path / "audit"
    chain.close()


async def listed(record: Path | None, bearer: str = "ada", **params: Any) -> tuple[int, Any]:
    async with plane(record=record).client(bearer) as http:
        answer = await http.get("/api/decisions", params=params)
    return answer.status_code, answer.json()


def ids(answer: tuple[int, Any]) -> list[str]:
    assert answer[0] == 200, answer
    return [each["request_id"] for each in answer[1]["items"]]


async def test_an_admin_sees_all_the_newest_first_and_an_intent_is_no_decision(record: Path) -> None:
    status, told = await listed(record)
    assert ids((status, told)) == LISTED and told["next"] is None
    by_id = {each["request_id"]: each for each in told["items"]}
    assert by_id["abc-1"]["policies"] == ["p1", "p2"] and by_id["abc-1"]["plane"] == "mcp"
    assert (by_id["abc-4"]["plane"], by_id["abc-4"]["server"], by_id["abc-4"]["target"]) == (
        "llm",
        "openai_chat",
        "prod/m",
    )
    assert by_id["abc-4"]["cost_usd"] == 2e-06
    assert by_id["abc-5"]["guardrails"] == ["pii"]
    odd = by_id["abc-7"]
    assert (odd["policies"], odd["limit"], odd["duration_ms"], odd["reason"]) == ([], None, None, None)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"server": "desk"}, ["abc-3", "abc-2", "abc-1"]),
        ({"server": "openai_chat"}, ["abc-5", "abc-4"]),
        ({"server": 'say "hi" \\'}, ["abc-7"]),
        ({"principal": "corp|rita"}, ["abc-4", "abc-3", "abc-1"]),
        ({"outcome": "refused"}, ["abc-5", "abc-3", "abc-2"]),
        ({"reason": "rate_limited"}, ["abc-3"]),
        ({"upstream": "ledger", "outcome": "ok"}, ["abc-1"]),
        ({"since": "2099-01-01T00:00:04Z"}, ["abc-7", "abc-5", "abc-4"]),
        ({"since": "2099-01-01T01:00:04+01:00", "until": "2099-01-01T00:00:05Z"}, ["abc-4"]),
        ({"until": "2099-01-01"}, []),
        ({"server": "desk", "reason": 'x","server":"desk'}, []),
        ({"server": "\U0001f600 ünï"}, []),
    ],
)  # fmt: skip
async def test_it_is_narrowed(record: Path, asked: dict[str, str], found: list[str]) -> None:
    assert ids(await listed(record, **asked)) == found


@pytest.mark.parametrize("limit", [1, 2, 4])
async def test_its_pages_are_the_whole(record: Path, limit: int) -> None:
    found: list[str] = []
    params: dict[str, Any] = {"limit": limit}
    told: dict[str, Any] = {}
    for _ in range(8):
        status, told = await listed(record, **params)
        found += ids((status, told))
        if told["next"] is None:
            break
        params["cursor"] = told["next"]
    assert (found, told["next"]) == (LISTED, None)


@pytest.mark.parametrize(("bearer", "who"), [("rita", "corp|rita"), ("otto", "corp|otto")])
async def test_below_admin_one_sees_ones_own(record: Path, bearer: str, who: str) -> None:
    own = [each for each in LISTED if any(r["request_id"] == each for r in RECORDS[1:] if r["principal"] == who)]
    assert ids(await listed(record, bearer)) == ids(await listed(record, bearer, principal=who)) == own
    status, told = await listed(record, bearer, principal="corp|ada")
    assert (status, told["reason"], told["role"]) == (403, "role_required", "admin")


async def test_a_story_is_what_the_command_tells_and_bodies_are_for_admins(record: Path) -> None:
    async with plane(record=record).client("ada") as http:
        for request_id in ("abc-1", "abc-3", "abc-4", "abc-6"):
            told = story_of(record, request_id)
            assert told is not None
            answer = await http.get(f"/api/decisions/{request_id}")
            assert (answer.status_code, answer.json()) == (200, facts(told))
            assert BODY in answer.text and '"Body"' in answer.text
    async with plane(record=record).client("rita") as http:
        own = await http.get("/api/decisions/abc-3")
        assert (own.status_code, len(own.json()["records"])) == (200, 2)
        assert BODY not in own.text and '"Body"' not in own.text


async def test_anothers_story_is_as_one_that_never_was(record: Path) -> None:
    for bearer in ("rita", "prom", "otto"):
        async with plane(record=record).client(bearer) as http:
            theirs, nobodys = [await http.get(f"/api/decisions/{each}") for each in ("abc-2", "abc-ffff")]
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("..%2F..%2Fetc%2Fpasswd", 404),
        ("../../etc/passwd", 404),
        ("%2e%2e", 404),
        ("..", 404),
        ("a" * 65, 422),
        ("a%00b", 422),
        ("a%22b", 422),
        ("*", 422),
        ("%ff%fe", 422),
        ("a%0d%0ab", 422),
        ("abc-", 404),
    ],
)
async def test_hostile_ids_find_nothing(record: Path, path: str, status: int) -> None:
    async with plane(record=record).client("ada") as http:
        answer = await http.get(f"/api/decisions/{path}")
        assert answer.status_code == status, answer.text


async def test_without_a_record_it_says_so(tmp_path: Path) -> None:
    for path in ("/api/decisions", "/api/decisions/abc-1", "/api/refusals"):
        async with plane(record=None).client("ada") as http:
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (409, "no_record")
            assert "telemetry.audit.path" in answer.json()["detail"]
        async with plane(record=tmp_path / "gone").client("ada") as http:
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (503, "record_unreadable")
            assert str(tmp_path) not in answer.text


async def test_a_record_that_cannot_be_read_is_said_to_be(record: Path) -> None:
    (chain,) = [each for each in record.iterdir() if each.is_dir()]
    file = next(each for each in chain.iterdir() if each.suffix == ".jsonl")
    file.rename(chain / "kept")
    file.mkdir()
    try:
        async with plane(record=record).client("ada") as http:
            for path in ("/api/decisions", "/api/decisions/abc-1", "/api/refusals"):
                answer = await http.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    finally:
        file.rmdir()
        (chain / "kept").rename(file)


@pytest.mark.parametrize(
    "forged",
    [
        '["decisions",{"../../../etc":5}]',
        '["decisions",{}]',
        '["decisions",{"a":-1}]',
        '["decisions",{"a":true}]',
        '["decisions",{"a":1e99}]',
        '["decisions",[["a",1]]]',
        '["refusals",["a","b",1]]',
        '{"a":1}',
    ],
)
async def test_a_forged_cursor_is_refused(record: Path, forged: str) -> None:
    status, told = await listed(record, cursor=urlsafe_b64encode(forged.encode()).decode().rstrip("="))
    assert (status, told["reason"]) == (400, "bad_cursor")


async def test_look_ups_run_beside_the_loop_few_at_a_time(tmp_path: Path) -> None:
    lookups, held, running, most = Lookups(tmp_path), threading.Event(), 0, 0
    lock = threading.Lock()

    def look(path: Path) -> Path:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        held.wait(30)
        with lock:
            running -= 1
        return path

    asked = [asyncio.create_task(lookups.run(look)) for _ in range(AT_ONCE + MOST_WAITING)]
    while most < AT_ONCE:
        await asyncio.sleep(0)  # the loop turns while threads look
    with pytest.raises(Busy):
        await lookups.run(look)
    asked[0].cancel()
    await asyncio.gather(asked[0], return_exceptions=True)
    assert running == AT_ONCE, "who goes away frees no place before the thread is done"
    held.set()
    assert await asyncio.gather(*asked[1:]) == [tmp_path] * (AT_ONCE + MOST_WAITING - 1)
    assert most == AT_ONCE
