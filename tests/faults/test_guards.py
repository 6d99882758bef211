"""Guards that fail: what becomes of a call is what their mode says, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.agents import agent
from tests.faults.guarded import BLOCKED, POST, PRE, Endpoint, Guarded, asking, guarded
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


@pytest.mark.parametrize(("failures", "more"), [(5, {}), (2, {"circuit": {"failures": 2, "cooldown": "1h"}})])
async def test_a_guard_that_keeps_failing_is_left_alone(tmp_path: Path, failures: int, more: dict[str, Any]) -> None:
    async with Endpoint() as endpoint:
        rules = [{"id": "all", PRE: ["own/hook"]}]
        async with guarded(tmp_path, endpoint, [asking(endpoint, "hook", "throws", **more)], rules) as here:
            for _ in range(failures):
                assert await here.call("main") == BLOCKED
            assert endpoint.asked["throws"] == failures
            assert [await here.call("main") for _ in range(3)] == [BLOCKED] * 3
            assert endpoint.asked["throws"] == failures, "it was asked although it is left alone"
            assert here.judgements("main")[0]["failure"] == "open"
            assert here.tally("own/hook") == {(PRE, "error", "block"): failures + 3}
            assert here.evil.calls("ok") == 0


async def test_a_guard_that_was_left_alone_is_asked_again_when_its_cooldown_is_over(tmp_path: Path) -> None:
    async with Endpoint() as endpoint:
        endpoint.instead["turns"] = "throws"
        rules = [{"id": "all", PRE: ["own/hook"]}]
        hook = asking(endpoint, "hook", "turns", circuit={"failures": 1, "cooldown": "100ms"})
        async with guarded(tmp_path, endpoint, [hook], rules) as here:
            assert await here.call("main") == BLOCKED
            endpoint.instead["turns"] = "passes"
            async with asyncio.timeout(PATIENCE):
                while await here.call("main") == BLOCKED:
                    await asyncio.sleep(0.01)
            assert endpoint.asked["turns"] == 2, "one call was the probe"
            assert await asyncio.gather(*(here.call("main") for _ in range(4))) == [0] * 4
            assert endpoint.asked["turns"] == 6
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


REDACTED = ""
"""What becomes of a call whose upstream gets all of it but the address; a name is the guardrail that refuses it."""

HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "a megabyte of words": ({"text": "lorem ipsum " * 87_000 + MAIL}, REDACTED),
    "a megabyte without a gap": ({"text": "A" * 1_000_000 + " " + MAIL}, REDACTED),
    "many small texts": ({"texts": [f"word {number}" for number in range(20_000)] + [MAIL]}, REDACTED),
    "base64 in base64": ({"text": f"{_layers('lorem ipsum ' * 400, 12)} {MAIL}"}, REDACTED),
    "many pieces of base64": ({"text": " ".join([_layers("lorem ipsum dolor", 3)] * 4_000) + " " + MAIL}, REDACTED),
    "JSON in JSON": ({"text": _documents({"mail": MAIL}, 14)}, REDACTED),
    "a deep value": ({"value": _nested(MAIL, 25)}, REDACTED),
    "a key": ({"value": _nested({MAIL: 1}, 25)}, "own/pii"),
    "ten thousand ORs": (
        {"sql": "SELECT a FROM t WHERE " + " OR ".join(["a = 1"] * 10_000) + f" OR b = '{MAIL}'"},
        "own/sql",
    ),
    "ten thousand brackets": ({"sql": "SELECT " + "(" * 10_000 + f"'{MAIL}'" + ")" * 10_000}, "own/sql"),
}
"""What is sent, and what becomes of it."""

WHILE = 50.0
"""Seconds that all of it may take on a machine that does much else: what hangs is what takes for ever."""


@asynccontextmanager
async def attacked(folder: Path, arguments: dict[str, Any]) -> AsyncIterator[tuple[dict[str, Any], Guarded]]:
    """The answer to a call with `arguments`; while it is under way others are served, and after it the next one is."""
    guards: list[dict[str, Any]] = [
        {"name": "pii", "type": "pii", "operation": "mutate", "timeout": "50s"},
        {"name": "secrets", "type": "secrets", "timeout": "50s"},
        {"name": "sql", "type": "sql", "timeout": "50s", "config": {"dialect": "postgres"}},
    ]
    rules = [{"id": "guarded", "when": {"servers": ["main"]}, PRE: ["own/pii", "own/secrets", "own/sql"]}]
    async with Endpoint() as endpoint, guarded(folder, endpoint, guards, rules, ("main", "other")) as here:
        here_too = await agent(here.site.url("main"), "modern")
        attack = asyncio.ensure_future(here_too.call("ok", arguments))
        async with asyncio.timeout(WHILE):
            assert await asyncio.gather(*(here.call("other", "ok_sse", {"text": MAIL}) for _ in range(10))) == [0] * 10
            answer = await attack
            assert await here.call("main", "ok_sse", {"text": "fine"}) == 0
        assert MAIL not in json.dumps([dict(record) for record in here.site.lines.records], default=str)
        yield answer, here


def _through(here: Guarded) -> list[dict[str, Any]]:
    """The arguments of the calls that reached the upstream."""
    return [json.loads(seen.body)["params"]["arguments"] for seen in here.evil.requests if seen.tool == "ok"]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_hard_to_look_at_ends_as_it_has_to_and_others_are_served_meanwhile(
    tmp_path: Path, hostile: str
) -> None:
    arguments, becomes = HOSTILE[hostile]
    async with attacked(tmp_path, arguments) as (answer, here):
        if becomes == REDACTED:
            assert "error" not in answer
            assert _through(here) == [json.loads(json.dumps(arguments).replace(MAIL, "[EMAIL]"))]
        else:
            error = answer["error"]
            assert (error["code"], error["data"]["reason"]) == (BLOCKED, "guardrail_blocked")
            assert error["data"]["guardrail"] == becomes
            assert _through(here) == []


async def test_of_text_that_is_all_numbers_nothing_is_left(tmp_path: Path) -> None:
    async with attacked(tmp_path, {"text": "4111 " * 20_000 + MAIL}) as (answer, here):
        assert "error" not in answer
        ((text,),) = [each.values() for each in _through(here)]
        assert re.fullmatch(r"(\[[A-Z_]+\] ?)+", text)
