"""What takes long is gone through in a thread: bounded, and left behind when it takes too long."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined
from mcp_gateway.envelopes.safety.off_loop import OffLoop
from mcp_gateway.envelopes.safety.verdict import Verdict
from mcp_gateway.envelopes.safety.workers import Busy, Workers
from tests.envelopes.safety.content import Texts
from tests.envelopes.safety.test_guard import guard


class Blocks:
    """Holds whatever thread it is called in until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        self.threads.append(threading.current_thread())
        self.go_on.wait(30)
        return PASSED


async def test_a_small_message_is_looked_at_on_the_spot_and_a_large_one_in_a_thread() -> None:
    workers, blocks = Workers(), Blocks()
    blocks.go_on.set()
    try:
        off = OffLoop(blocks, workers)
        assert off(Texts.of("x"), rewrite=False) is PASSED
        large = off(Texts.of("x", small=False), rewrite=False)
        assert not isinstance(large, Examined)
        assert await large is PASSED
        assert [thread is threading.main_thread() for thread in blocks.threads] == [True, False]
    finally:
        workers.close()


async def test_work_that_takes_too_long_is_left_behind_and_the_loop_goes_on() -> None:
    workers, blocks = Workers(threads=1, waiting=2), Blocks()
    try:
        hanging = guard(OffLoop(blocks, workers), timeout=0.01)
        large = Texts.of("x", small=False)
        assert (await hanging.judge(large))[0].verdict is Verdict.TIMEOUT
        assert workers.under_way == 1  # the thread still has it
        assert (await hanging.judge(large))[0].verdict is Verdict.TIMEOUT
        await asyncio.sleep(0)
        assert workers.under_way == 1  # what had not begun was taken back
    finally:
        blocks.go_on.set()
        workers.close()


async def test_no_more_waits_than_there_is_room_for() -> None:
    workers, blocks = Workers(threads=1, waiting=2), Blocks()
    large = Texts.of("x", small=False)
    off = OffLoop(blocks, workers)
    try:
        waiting = [asyncio.ensure_future(guard(off).judge(large)) for _ in range(2)]
        await asyncio.sleep(0)
        judgement, _ = await guard(off).judge(large)
        assert (judgement.verdict, judgement.failure) == (Verdict.ERROR, Busy.__name__)
        blocks.go_on.set()
        assert [(await each)[0].verdict for each in waiting] == [Verdict.PASS, Verdict.PASS]
        with pytest.raises(RuntimeError):
            workers.close()
            await workers.run(lambda: None)
    finally:
        blocks.go_on.set()
