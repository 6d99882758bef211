"""Deadlines in a loop whose time the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.asgi.alarm import NEVER, Alarm
from mcp_gateway.core.asgi.limits import EdgeLimits
from mcp_gateway.core.asgi.pace import BodyPace


@dataclass
class Timer:
    when: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Clock:
    """As much of an event loop as an alarm needs."""

    now: float = 0.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + delay, callback))
        return self.timers[-1]

    @property
    def armed(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]

    def advance(self, to: float) -> None:
        while due := [timer for timer in self.armed if timer.when <= to]:
            first = min(due, key=lambda timer: timer.when)
            self.now = max(self.now, first.when)
            self.timers.remove(first)
            first.callback()
        self.now = to


def _alarm(clock: Clock, rung: list[float]) -> Alarm:
    return Alarm(cast("asyncio.AbstractEventLoop", clock), rung.append)


def test_moving_a_deadline_later_or_clearing_it_arms_no_timer() -> None:
    clock, rung = Clock(), list[float]()
    alarm = _alarm(clock, rung)
    alarm.set(10)
    for deadline in range(11, 100):
        alarm.clear()
        alarm.set(deadline)
    assert len(clock.timers) == 1
    clock.advance(98)
    assert rung == []
    clock.advance(99)
    assert rung == [99]


def test_an_earlier_deadline_replaces_the_timer() -> None:
    clock, rung = Clock(), list[float]()
    alarm = _alarm(clock, rung)
    alarm.set(75)
    alarm.set(10)
    assert [timer.when for timer in clock.armed] == [10]
    clock.advance(10)
    assert rung == [10] and alarm.deadline == NEVER and clock.armed == []


def test_a_cleared_alarm_lets_its_timer_run_out() -> None:
    clock, rung = Clock(), list[float]()
    alarm = _alarm(clock, rung)
    alarm.set(10)
    alarm.clear()
    clock.advance(100)
    assert rung == [] and clock.armed == []
    alarm.set(110)
    clock.advance(110)
    assert rung == [110]


def test_a_cancelled_alarm_holds_no_timer() -> None:
    clock, rung = Clock(), list[float]()
    alarm = _alarm(clock, rung)
    alarm.set(10)
    alarm.cancel()
    assert clock.armed == []


@given(st.lists(st.tuples(st.sampled_from(["set", "clear", "wait"]), st.floats(0, 100)), max_size=40))
def test_rings_at_the_last_deadline_set_and_at_no_other_time(steps: list[tuple[str, float]]) -> None:
    clock, rung = Clock(), list[float]()
    alarm = _alarm(clock, rung)
    due: float | None = None
    expected: list[float] = []
    for step, value in steps:
        if step == "set":
            due = clock.now + value
            alarm.set(due)
        elif step == "clear":
            due = None
            alarm.clear()
        else:
            until = clock.now + value + 0.01
            clock.advance(until)
            if due is not None and due <= until:
                expected.append(due)
                due = None
        assert len(clock.armed) <= 1
    assert len(rung) in (len(expected), len(expected) + 1)  # one due within the tolerance may have rung already
    assert all(abs(a - b) <= 0.003 for a, b in zip(rung, expected, strict=False))


LIMITS = EdgeLimits(body_timeout=30, body_window=10, body_rate=100)


def test_a_body_may_take_its_whole_time_at_the_rate() -> None:
    pace = BodyPace(LIMITS)
    assert pace.start(5, 0) == 15
    assert pace.look(15, 1000) == 25
    assert pace.look(25, 2000) == 35
    assert pace.look(35, 10**9) is None, "the deadline holds at any rate"


def test_a_body_below_the_rate_in_any_window_is_late() -> None:
    pace = BodyPace(LIMITS)
    pace.start(0, 0)
    assert pace.look(10, 10_000) == 20
    assert pace.look(20, 10_999) is None


def test_a_wait_that_was_ours_starts_the_clock_again() -> None:
    pace = BodyPace(LIMITS)
    pace.start(0, 0)
    assert pace.start(29, 10) == 39
    assert pace.look(39, 1010) == 49
