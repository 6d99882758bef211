"""Refusals counted from the record, by what they have in common."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.admin import refusals
from mcp_gateway.admin.moments import written
from tests.admin.making import plane
from tests.admin.test_decisions import call, completion
from tests.envelopes.observability.audit.support import begin


def refused(number: int, reason: str, ago: float = 60.0, **more: Any) -> dict[str, Any]:
    at = written(time.time() - ago - number / 1000)
    return {**call(number, f"corp|p{number}", outcome="refused", reason=reason, **more), "time": at}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    chain = begin(tmp_path / "audit")
    chain.append(refused(99, "policy_denied", 7200.0))
    for number in (9, 8, 7):
        chain.append(refused(number, "policy_denied", decision="deny", policies=["no", "never"]))
    for number in (6, 5):
        chain.append(refused(number, "rate_limited", limit="few", target="get"))
    blocked = {"guardrails": [{"name": "pii", "action": "block"}, {"name": "out", "action": "mutate"}]}
    chain.append(
        {
            **completion(4, "corp|x", outcome="refused", reason="guardrail_blocked", **blocked),
            "time": refused(4, "")["time"],
        }
    )
    chain.append({**call(3, "corp|x"), "time": refused(3, "")["time"]})
    chain.append({**refused(2, "policy_denied"), "event": "intent"})
    chain.close()
    return tmp_path / "audit"


async def ask(record: Path, **params: Any) -> Any:
    async with plane(record=record).client("rita") as http:
        answer = await http.get("/api/refusals", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(told: Any) -> list[tuple[Any, ...]]:
    return [(*each["keys"].values(), each["count"], each["request_id"]) for each in told["items"]]


async def test_the_most_frequent_come_first_each_with_its_last(record: Path) -> None:
    told = await ask(record)
    assert list(told["items"][0]["keys"]) == ["reason", "server", "tool", "policy", "limit"]
    assert counts(told) == [
        ("policy_denied", "desk", "ledger/post", "no,never", None, 3, "abc-7"),
        ("rate_limited", "desk", "ledger/get", None, "few", 2, "abc-5"),
        ("guardrail_blocked", "openai_chat", None, None, None, 1, "abc-4"),
    ]
    assert (told["total"], told["complete"], told["next"]) == (6, True, None)


async def test_by_anything_that_is_known_of_them_and_by_nobodys_name(record: Path) -> None:
    assert counts(await ask(record, by="reason,plane")) == [
        ("policy_denied", "mcp", 3, "abc-7"),
        ("rate_limited", "mcp", 2, "abc-5"),
        ("guardrail_blocked", "llm", 1, "abc-4"),
    ]
    assert counts(await ask(record, by=["guardrail", "model"], server="openai_chat")) == [("pii", "prod/m", 1, "abc-4")]
    async with plane(record=record).client("ada") as http:
        for key in ("principal", "request_id", "metadata.team", "__class__"):
            answer = await http.get("/api/refusals", params={"by": key})
            assert (answer.status_code, answer.json()["reason"]) == (400, "unknown_key")
        assert "corp|" not in (await http.get("/api/refusals", params={"by": "reason"})).text


async def test_the_window_reaches_as_far_as_is_asked_for(record: Path) -> None:
    assert counts(await ask(record, by="reason", since="3h"))[0] == ("policy_denied", 4, "abc-7")
    assert (await ask(record, since="1s"))["items"] == []


async def test_its_pages_count_the_same(record: Path) -> None:
    first = await ask(record, by="reason", limit=2)
    chain = begin(record)
    chain.append({**refused(1, "overloaded"), "time": written(time.time() + 60)})
    chain.close()
    second = await ask(record, by="reason", limit=2, cursor=first["next"])
    assert counts(first) + counts(second) == counts(await ask(record, by="reason", until=first["until"]))
    assert (second["next"], second["total"], second["until"]) == (None, 6, first["until"])


async def test_where_there_is_too_much_it_says_how_far_it_came(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LOOK", 5)
    told = await ask(record, by="reason", since="3h")
    assert not told["complete"]
    assert told["reached"] is not None and told["reached"] > told["since"]
    assert told["total"] == sum(each["count"] for each in told["items"]) < 7
