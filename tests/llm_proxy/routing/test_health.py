"""How targets are doing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.routing.health import MOST, SLA_SPAN, SPEED_SPAN, Health, Healths
from llm_proxy.routing.policy import Failure
from llm_proxy.routing.rolling import CALLS, ENOUGH, Rolling
from llm_proxy.routing.targets import Target

SERVER = Failure(500, "server")


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 10), st.integers(1, 500)), max_size=250), st.floats(0, 60))
def test_the_mean_is_of_the_last_calls_within_the_span(steps: list[tuple[float, float, int]], wait: float) -> None:
    rolling, now, all_samples = Rolling(100.0), 0.0, []
    for pause, amount, count in steps:
        now += pause
        rolling.add(now, amount, count)
        all_samples.append((now, amount, count))
        rolling.mean(now)
    now += wait
    kept = [each for each in all_samples[-CALLS:] if each[0] > now - 100.0]
    expected = sum(each[1] for each in kept) / sum(each[2] for each in kept) if len(kept) >= ENOUGH else None
    assert rolling.mean(now) == pytest.approx(expected)


def test_the_speed_of_a_stream_leaves_its_beginning_out() -> None:
    health = Health()
    for _ in range(ENOUGH):
        health.answered(0.0, duration=3.0, first_token=1.0, output_tokens=101)
    assert health.time_per_token(0.0) == pytest.approx(0.02)


@pytest.mark.parametrize(("first_token", "tokens"), [(None, 0), (0.5, 0), (0.5, 1)])
def test_an_answer_without_tokens_says_nothing_about_speed(first_token: float | None, tokens: int) -> None:
    health = Health()
    for _ in range(ENOUGH):
        health.answered(0.0, duration=3.0, first_token=first_token, output_tokens=tokens)
    assert health.time_per_token(0.0) is None


def test_a_slow_target_is_tried_again_when_what_is_known_is_old() -> None:
    target = Target("a", "m", slow_first_token=1.0, slow_token=0.05)
    health = Health()
    for _ in range(ENOUGH):
        health.answered(0.0, duration=11.0, first_token=1.0, output_tokens=101)
    assert health.too_slow(target, SLA_SPAN - 1)
    assert not health.too_slow(target, SLA_SPAN)
    assert health.time_per_token(SLA_SPAN) == pytest.approx(0.1)
    assert health.time_per_token(SPEED_SPAN) is None


@pytest.mark.parametrize(
    ("first", "token", "slow"),
    [
        (None, None, False),
        (1.0, None, False),
        (0.9, None, True),
        (None, 0.1, False),
        (None, 0.09, True),
        (2.0, 0.09, True),
    ],
)
def test_either_threshold_makes_it_too_slow(first: float | None, token: float | None, slow: bool) -> None:
    health = Health()
    for _ in range(ENOUGH):
        health.answered(0.0, duration=11.0, first_token=1.0, output_tokens=101)
    assert health.too_slow(Target("a", "m", slow_first_token=first, slow_token=token), 0.0) is slow


def test_failures_in_a_row_open_it_and_one_probe_closes_it() -> None:
    health = Health()
    for _ in range(5):
        assert health.circuit.admit(0.0)
        health.failed(0.0, SERVER)
    assert not health.circuit.admit(9.9)
    assert health.circuit.admit(10.0)
    assert not health.circuit.admit(10.0), "one probe at a time"
    health.answered(10.5, duration=0.5)
    assert health.circuit.admit(10.5)


def test_a_probe_that_says_nothing_leaves_room_for_the_next() -> None:
    health = Health()
    for _ in range(5):
        health.failed(0.0, SERVER)
    assert health.circuit.admit(10.0)
    health.undecided()
    assert health.circuit.admit(10.0)
    health.failed(10.0, Failure(400, "invalid"))
    assert health.circuit.admit(10.0)


def test_wrong_requests_neither_open_it_nor_hide_its_failures() -> None:
    health = Health()
    for _ in range(20):
        health.failed(0.0, Failure(400, "invalid"))
    assert health.circuit.admit(0.0)
    for _ in range(5):
        health.failed(0.0, SERVER)
        health.failed(0.0, Failure(400, "invalid"))
    assert not health.circuit.admit(0.0)


def test_only_so_many_are_remembered_and_those_in_use_are() -> None:
    healths = Healths()
    used = healths.of("a/used")
    for n in range(3 * MOST):
        healths.of(f"a/{n}")
        assert healths.of("a/used") is used
    assert len(healths.known()) == MOST
