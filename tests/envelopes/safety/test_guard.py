"""One guardrail: every mode, verdict and operation, and every way of failing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcp_gateway.core.circuit import Circuit
from mcp_gateway.core.errors import TimedOut
from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.verdict import Action, Mode, Operation, Verdict
from tests.envelopes.safety.content import Texts

SAID = Texts.of("a secret")
LEFT = Texts.of("a [SECRET]")


def guard(examine: Any, mode: Mode = Mode.ENFORCE, operation: Operation = Operation.VALIDATE, **changes: Any) -> Guard:
    given: dict[str, Any] = {
        "name": "g/one",
        "operation": operation,
        "mode": mode,
        "priority": 1,
        "timeout": 5.0,
        "examine": examine,
        "circuit": Circuit(failures=3),
    }
    return Guard(**{**given, **changes})


def passes(content: Content, *, rewrite: bool) -> Examined:
    return PASSED


def finds(content: Content, *, rewrite: bool) -> Examined:
    return Examined(True, {"secret": 1}, LEFT if rewrite else None)


def stuck(content: Content, *, rewrite: bool) -> Examined:
    return Examined(True, {"secret": 1})


async def finds_later(content: Content, *, rewrite: bool) -> Examined:
    await asyncio.sleep(0)
    return finds(content, rewrite=rewrite)


def throws(content: Content, *, rewrite: bool) -> Examined:
    raise RuntimeError("a secret")


async def hangs(content: Content, *, rewrite: bool) -> Examined:
    await asyncio.Event().wait()
    raise AssertionError


async def gives_up(content: Content, *, rewrite: bool) -> Examined:
    raise TimedOut("no judgement in time")


def garbage(content: Content, *, rewrite: bool) -> Any:
    return {"verdict": "pass"}


AUDIT, IGNORE, ENFORCE = Mode.AUDIT, Mode.ENFORCE_BUT_IGNORE_ON_ERROR, Mode.ENFORCE
VALIDATE, MUTATE = Operation.VALIDATE, Operation.MUTATE
PASS, DENY, ERROR, TIMEOUT = Verdict.PASS, Verdict.DENY, Verdict.ERROR, Verdict.TIMEOUT
ALLOW, BLOCK, CHANGE = Action.ALLOW, Action.BLOCK, Action.MUTATE

TABLE = [
    (examine, verdict, operation, mode, action)
    for examine, verdict, operation, actions in (
        (passes, PASS, VALIDATE, (ALLOW, ALLOW, ALLOW)),
        (passes, PASS, MUTATE, (ALLOW, ALLOW, ALLOW)),
        (finds, DENY, VALIDATE, (ALLOW, BLOCK, BLOCK)),
        (finds, DENY, MUTATE, (ALLOW, CHANGE, CHANGE)),
        (finds_later, DENY, VALIDATE, (ALLOW, BLOCK, BLOCK)),
        (finds_later, DENY, MUTATE, (ALLOW, CHANGE, CHANGE)),
        (stuck, DENY, MUTATE, (ALLOW, BLOCK, BLOCK)),
        (throws, ERROR, VALIDATE, (ALLOW, ALLOW, BLOCK)),
        (throws, ERROR, MUTATE, (ALLOW, ALLOW, BLOCK)),
        (garbage, ERROR, VALIDATE, (ALLOW, ALLOW, BLOCK)),
        (garbage, ERROR, MUTATE, (ALLOW, ALLOW, BLOCK)),
        (hangs, TIMEOUT, VALIDATE, (ALLOW, ALLOW, BLOCK)),
        (hangs, TIMEOUT, MUTATE, (ALLOW, ALLOW, BLOCK)),
        (gives_up, TIMEOUT, VALIDATE, (ALLOW, ALLOW, BLOCK)),
    )
    for mode, action in zip((AUDIT, IGNORE, ENFORCE), actions, strict=True)
]


@pytest.mark.parametrize(("examine", "verdict", "operation", "mode", "action"), TABLE)
async def test_a_mode_makes_of_a_verdict_exactly_what_it_says(
    examine: Any, verdict: Verdict, operation: Operation, mode: Mode, action: Action
) -> None:
    judgement, left = await guard(examine, mode, operation, timeout=0.01).judge(SAID)
    assert (judgement.verdict, judgement.action) == (verdict, action)
    assert left is (LEFT if action is CHANGE else SAID)


async def test_a_judgement_holds_nothing_of_the_content() -> None:
    for examine in (finds, throws, garbage):
        judgement, _ = await guard(examine).judge(SAID)
        assert "a secret" not in repr(judgement)


async def test_a_guardrail_that_keeps_failing_is_left_alone_until_its_circuit_closes() -> None:
    asked = 0

    def broken(content: Content, *, rewrite: bool) -> Examined:
        nonlocal asked
        asked += 1
        raise RuntimeError

    failing = guard(broken, circuit=Circuit(failures=3, cooldown=3600))
    failures = [(await failing.judge(SAID))[0].failure for _ in range(5)]
    assert failures == ["RuntimeError", "RuntimeError", "RuntimeError", "open", "open"]
    assert asked == 3


async def test_after_the_cooldown_one_call_is_the_probe_and_closes_the_circuit() -> None:
    broken = True

    def sometimes(content: Content, *, rewrite: bool) -> Examined:
        if broken:
            raise RuntimeError
        return PASSED

    circuit = Circuit(failures=1, cooldown=0.0)
    mending = guard(sometimes, circuit=circuit)
    assert (await mending.judge(SAID))[0].verdict is ERROR
    broken = False
    assert (await mending.judge(SAID))[0].verdict is PASS
    assert circuit.opened == 1


async def test_finding_something_is_no_failure() -> None:
    finding = guard(finds, circuit=Circuit(failures=1, cooldown=3600))
    assert [(await finding.judge(SAID))[0].verdict for _ in range(3)] == [DENY, DENY, DENY]


async def test_a_call_that_is_cancelled_says_nothing_of_the_guardrail() -> None:
    circuit = Circuit(failures=1, cooldown=3600)
    task = asyncio.ensure_future(guard(hangs, circuit=circuit).judge(SAID))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert circuit.opened == 0
