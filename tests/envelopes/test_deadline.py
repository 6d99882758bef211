"""No call outlives its deadline, and nothing else is taken for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import GatewayError, Invalid, TimedOut
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.deadline import Deadline
from tests.calls.making import call


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.01


def later() -> float:
    return asyncio.get_running_loop().time() + 60


def within(given: Call, call_next: Handler[Call, dict[str, Any]]) -> Awaitable[dict[str, Any]]:
    return Deadline[Call, dict[str, Any]]()(given, call_next)


async def forever(_: Call) -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_call_that_takes_too_long_is_ended_and_its_task_goes_on() -> None:
    with pytest.raises(TimedOut):
        await within(call(deadline=soon()), forever)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_deadline_in_the_past_ends_what_waits() -> None:
    with pytest.raises(TimedOut):
        await within(call(deadline=0.0), forever)


@pytest.mark.parametrize("deadline", [float("inf"), 1e12])
async def test_what_is_done_in_time_is_answered(deadline: float) -> None:
    async def quick(_: Call) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"x": 1}

    assert await within(call(deadline=deadline), quick) == {"x": 1}


async def test_errors_in_time_are_not_touched() -> None:
    async def refuse(_: Call) -> dict[str, Any]:
        raise Invalid("no")

    with pytest.raises(Invalid):
        await within(call(deadline=later()), refuse)


async def test_being_cancelled_is_not_being_late() -> None:
    task = asyncio.ensure_future(within(call(deadline=later()), forever))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_being_cancelled_and_late_at_once_is_being_cancelled() -> None:
    async def slow_to_die(_: Call) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()  # until the deadline strikes as well
        raise AssertionError

    task = asyncio.ensure_future(within(call(deadline=soon()), slow_to_die))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await task
    assert task.cancelled()


async def test_an_inner_deadline_ends_the_inner_call_only() -> None:
    async def nested(outer: Call) -> dict[str, Any]:
        with pytest.raises(TimedOut):
            await within(call(deadline=soon()), forever)
        return {"outer": "fine"}

    assert await within(call(deadline=later()), nested) == {"outer": "fine"}


async def test_the_outer_of_two_deadlines_at_once_is_kept_too() -> None:
    moment = soon()

    async def nested(outer: Call) -> dict[str, Any]:
        return await within(call(deadline=moment), forever)

    with pytest.raises(GatewayError):
        await within(call(deadline=moment), nested)
    task = asyncio.current_task()
    assert task is not None
    await asyncio.sleep(0)


async def test_nothing_is_cancelled_after_the_call() -> None:
    async def quick(_: Call) -> dict[str, Any]:
        return {}

    await within(call(deadline=soon()), quick)
    await asyncio.sleep(0.03)  # past the deadline, where a timer left behind would strike


async def test_calls_of_one_stage_end_each_at_its_own_deadline() -> None:
    stage = Deadline[Call, dict[str, Any]]()
    ended: list[str] = []

    async def named(name: str, deadline: float) -> None:
        with pytest.raises(TimedOut):
            await stage(call(deadline=deadline), forever)
        ended.append(name)

    async def quick(_: Call) -> dict[str, Any]:
        return {}

    now = asyncio.get_running_loop().time()
    longest = asyncio.ensure_future(stage(call(deadline=now + 60), forever))
    late = asyncio.ensure_future(named("late", now + 0.2))
    await asyncio.sleep(0)
    early = asyncio.ensure_future(named("early", now + 0.01))
    await stage(call(deadline=now), quick)
    await asyncio.gather(late, early)
    assert ended == ["early", "late"]
    assert not longest.done()
    longest.cancel()
    with pytest.raises(asyncio.CancelledError):
        await longest
