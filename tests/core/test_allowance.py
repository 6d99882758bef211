"""An allowance: so many in a window, of one key the tenth part, and memory for no more than that."""

from __future__ import annotations

from mcp_gateway.core.allowance import WINDOW_SECONDS, Allowance


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(allowance: Allowance, keys: list[object]) -> int:
    return sum(allowance.take(key) for key in keys)


def test_one_key_gets_a_tenth_and_all_together_the_whole() -> None:
    allowance = Allowance(100, clock=Clock())
    assert taken(allowance, ["one"] * 1_000) == 10
    assert taken(allowance, ["two"]) == 1, "the flood of one is not the end for others"
    assert taken(allowance, list(range(1_000))) == 89


def test_the_next_window_begins_anew() -> None:
    clock = Clock()
    allowance = Allowance(20, clock=clock)
    assert taken(allowance, ["one"] * 5) == 2
    clock.now += WINDOW_SECONDS - 0.001
    assert taken(allowance, ["one"]) == 0
    clock.now += 0.002
    assert taken(allowance, ["one"] * 5) == 2


def test_a_flood_of_keys_is_not_remembered() -> None:
    allowance = Allowance(50, clock=Clock())
    assert taken(allowance, list(range(100_000))) == 50
    assert len(allowance._given) == 50


def test_nothing_can_be_nothing_and_little_is_at_least_one() -> None:
    assert taken(Allowance(0, clock=Clock()), ["one"]) == 0
    assert taken(Allowance(3, clock=Clock()), ["one"] * 9) == 1
