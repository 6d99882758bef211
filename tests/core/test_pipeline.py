"""Folding: the order of a list is the order in which a call meets it."""

from __future__ import annotations

import pytest

from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.pipeline import Check, Handler, Stage, checked, compose

Log = list[str]


def named(name: str, log: Log) -> Stage[int, int]:
    async def stage(call: int, call_next: Handler[int, int]) -> int:
        log.append(f"into {name}")
        result = await call_next(call + 1)
        log.append(f"out of {name}")
        return result * 2

    return stage


async def test_a_call_goes_in_in_order_and_comes_out_in_reverse() -> None:
    log: Log = []

    async def terminal(call: int) -> int:
        log.append(f"terminal {call}")
        return call

    handler = compose([named("a", log), named("b", log)], terminal)
    assert await handler(0) == 8
    assert log == ["into a", "into b", "terminal 2", "out of b", "out of a"]


async def test_an_empty_list_is_its_terminal() -> None:
    async def terminal(call: int) -> int:
        return call

    assert compose([], terminal) is terminal


async def test_a_stage_may_answer_by_itself() -> None:
    async def shortcut(call: int, call_next: Handler[int, int]) -> int:
        return -1

    async def terminal(call: int) -> int:
        raise AssertionError

    assert await compose([shortcut], terminal)(5) == -1


async def test_errors_pass_through_every_stage_on_the_way_out() -> None:
    log: Log = []

    async def terminal(call: int) -> int:
        raise Invalid("no")

    async def cleaning(call: int, call_next: Handler[int, int]) -> int:
        try:
            return await call_next(call)
        finally:
            log.append("cleaned")

    with pytest.raises(Invalid):
        await compose([cleaning, cleaning], terminal)(0)
    assert log == ["cleaned", "cleaned"]


async def test_one_folding_serves_every_call() -> None:
    log: Log = []

    async def terminal(call: int) -> int:
        return call

    handler = compose([named("a", log)], terminal)
    assert [await handler(number) for number in range(3)] == [2, 4, 6]


async def test_checks_run_in_order_and_the_first_refusal_counts() -> None:
    log: Log = []

    def check(name: str, refuses: bool = False) -> Check[int]:
        def run(call: int) -> None:
            log.append(name)
            if refuses:
                raise Invalid(name)

        return run

    async def terminal(call: int) -> int:
        log.append("terminal")
        return call

    assert await checked([check("a"), check("b")], terminal)(7) == 7
    assert log == ["a", "b", "terminal"]
    log.clear()
    with pytest.raises(Invalid, match="b"):
        await checked([check("a"), check("b", True), check("c", True)], terminal)(7)
    assert log == ["a", "b"]
