"""Guards that fail: what becomes of a call is what their mode says, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.guarded import BLOCKED, POST, PRE, Endpoint, asking, guarded
from tests.faults.wire import PATIENCE

MODES = ("audit", "enforce_but_ignore_on_error", "enforce")
FAULTS = {
    "throws": ("error", "GuardFailed"),
    "garbage": ("error", "ProtocolViolation"),
    "list": ("error", "ProtocolViolation"),
    "word": ("error", "ProtocolViolation"),
    "hollow": ("error", "ProtocolViolation"),
    "down": ("error", "Unreachable"),
    "hangs": ("timeout", None),
}
"""What is on record of each: the verdict, and what went wrong."""


def _short(mode: str) -> str:
    return mode.replace("_", "-")


@pytest.mark.parametrize("hook", [PRE, POST])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_guard_that_fails_blocks_only_where_it_is_enforced(tmp_path: Path, fault: str, hook: str) -> None:
    verdict, failure = FAULTS[fault]
    async with Endpoint() as endpoint:
        guards = [asking(endpoint, _short(mode), fault, mode, timeout="1s") for mode in MODES]
        rules = [
            {"id": _short(mode), "when": {"servers": [_short(mode)]}, hook: [f"own/{_short(mode)}"]} for mode in MODES
        ]
        servers = [_short(mode) for mode in MODES]
        async with guarded(tmp_path, endpoint, guards, rules, servers) as here:
            ended = await asyncio.gather(*(here.call(server) for server in servers))
            assert ended == [0, 0, BLOCKED]
            assert here.evil.calls("ok") == (2 if hook == PRE else 3), "after the call only its result is withheld"
            for mode, server in zip(MODES, servers, strict=True):
                action = "block" if mode == "enforce" else "allow"
                note = {"name": f"own/{server}", "hook": hook, "verdict": verdict, "action": action, "findings": {}}
                assert here.judgements(server) == [note if failure is None else {**note, "failure": failure}]
                assert here.tally(f"own/{server}") == {(hook, verdict, action): 1}


async def test_a_guard_that_keeps_failing_is_left_alone_and_asked_again_later(tmp_path: Path) -> None:
    async with Endpoint() as endpoint:
        endpoint.instead["turns"] = "throws"
        rules = [{"id": "all", PRE: ["own/hook"]}]
        async with guarded(tmp_path, endpoint, [asking(endpoint, "hook", "turns")], rules) as here:
            for _ in range(5):
                assert await here.call("main") == BLOCKED
            assert endpoint.asked["turns"] == 5
            assert [await here.call("main") for _ in range(3)] == [BLOCKED] * 3
            assert endpoint.asked["turns"] == 5, "it was asked although it is left alone"
            assert here.judgements("main")[0]["failure"] == "open"
            assert here.tally("own/hook") == {(PRE, "error", "block"): 8}
            assert here.evil.calls("ok") == 0
            endpoint.instead["turns"] = "passes"
            async with asyncio.timeout(PATIENCE):
                while await here.call("main") == BLOCKED:
                    await asyncio.sleep(0.05)
            assert endpoint.asked["turns"] == 6, "one call was the probe"
            assert await asyncio.gather(*(here.call("main") for _ in range(4))) == [0] * 4
            assert endpoint.asked["turns"] == 10
            assert here.tally("own/hook")[PRE, "pass", "allow"] == 5


async def test_a_guard_that_says_no_does_not_open_its_circuit(tmp_path: Path) -> None:
    async with Endpoint() as endpoint:
        rules = [{"id": "all", PRE: ["own/hook"]}]
        async with guarded(tmp_path, endpoint, [asking(endpoint, "hook", "denies")], rules) as here:
            assert [await here.call("main") for _ in range(8)] == [BLOCKED] * 8
            assert endpoint.asked["denies"] == 8
            assert here.tally("own/hook") == {(PRE, "deny", "block"): 8}


@pytest.mark.parametrize("hook", [PRE, POST])
async def test_a_guard_that_hangs_holds_up_only_the_calls_it_looks_at(tmp_path: Path, hook: str) -> None:
    """It hangs until everybody else has been answered: were they to wait for it, nobody would be."""
    async with Endpoint() as endpoint:
        guards = [asking(endpoint, "slow", "hangs"), asking(endpoint, "quick", "passes")]
        rules = [
            {"id": "slow", "when": {"tools": ["evil/ok"]}, hook: ["own/slow"]},
            {"id": "quick", "when": {"tools": ["evil/ok_sse"]}, hook: ["own/quick"]},
        ]
        async with guarded(tmp_path, endpoint, guards, rules) as here:
            waiting = [asyncio.ensure_future(here.call("main", "ok")) for _ in range(20)]
            async with asyncio.timeout(PATIENCE):
                while endpoint.asked["hangs"] < 1:
                    await asyncio.sleep(0.01)
                others = await asyncio.gather(*(here.call("main", "ok_sse") for _ in range(20)))
            assert others == [0] * 20
            assert not any(task.done() for task in waiting)
            endpoint.gate.set()
            assert await asyncio.gather(*waiting) == [0] * 20
            assert here.tally("own/slow") == here.tally("own/quick") == {(hook, "pass", "allow"): 20}


# ------------------------------------------------------------------ what is hard to look at

MAIL = "alice.canary@example.com"


def _layers(text: str, count: int) -> str:
    for _ in range(count):
        text = base64.b64encode(text.encode()).decode()
    return text


def _documents(value: Any, depth: int) -> str:
    """JSON in JSON; escapes double with every layer."""
    for _ in range(depth):
        value = {"inner": json.dumps(value)}
    return json.dumps(value)


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: dict[str, dict[str, Any]] = {
    "a megabyte of words": {"text": "lorem ipsum " * 87_000 + MAIL},
    "a megabyte without a gap": {"text": "A" * 1_000_000 + " " + MAIL},
    "a megabyte of digits": {"text": "4111 " * 200_000 + MAIL},
    "many small texts": {"texts": [f"word {number}" for number in range(20_000)] + [MAIL]},
    "base64 in base64": {"text": f"{_layers('lorem ipsum ' * 400, 12)} {MAIL}"},
    "many pieces of base64": {"text": " ".join([_layers("lorem ipsum dolor", 3)] * 4_000) + " " + MAIL},
    "JSON in JSON": {"text": _documents({"mail": MAIL}, 14)},
    "a deep value": {"value": _nested(MAIL, 25)},
    "ten thousand ORs": {"sql": "SELECT a FROM t WHERE " + " OR ".join(["a = 1"] * 10_000) + f" OR b = '{MAIL}'"},
    "ten thousand brackets": {"sql": "SELECT " + "(" * 10_000 + f"'{MAIL}'" + ")" * 10_000},
}


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_hard_to_look_at_is_refused_or_redacted_and_others_are_served_meanwhile(
    tmp_path: Path, hostile: str
) -> None:
    guards: list[dict[str, Any]] = [
        {"name": "pii", "type": "pii", "operation": "mutate", "timeout": "20s"},
        {"name": "secrets", "type": "secrets", "timeout": "20s"},
        {"name": "sql", "type": "sql", "timeout": "20s", "config": {"dialect": "postgres"}},
    ]
    rules = [{"id": "guarded", "when": {"servers": ["main"]}, PRE: ["own/pii", "own/secrets", "own/sql"]}]
    async with Endpoint() as endpoint, guarded(tmp_path, endpoint, guards, rules, ("main", "other")) as here:
        attack = asyncio.ensure_future(here.call("main", "ok", HOSTILE[hostile]))
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*(here.call("other", "ok_sse", {"text": MAIL}) for _ in range(10))) == [0] * 10
            code = await attack
            # Nothing stays stuck: the guards look at the next call.
            assert await here.call("main", "ok_sse", {"text": "fine"}) == 0
        assert code in (0, BLOCKED)
        through = [seen for seen in here.evil.requests if seen.tool == "ok"]
        assert len(through) == (code == 0)
        assert not any(MAIL.encode() in seen.body for seen in through)
        judged = here.site.lines.records
        assert MAIL not in json.dumps([dict(record) for record in judged], default=str)
