"""Sessions stay with their targets."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.routing.choose import choose
from llm_proxy.routing.health import Healths
from llm_proxy.routing.policy import Failure
from llm_proxy.routing.targets import Route, Sticky
from tests.llm_proxy.routing.specs import Clock, route

IDENTIFIERS = [{"source": "headers", "key": "X-Session"}, {"source": "metadata", "key": "ticket_id"}]


def made(*weights: int, ttl: int = 600) -> Route:
    sticky = {"ttl_seconds": ttl, "session_identifiers": IDENTIFIERS}
    targets: list[dict[str, Any]] = [{"target": f"p/{n}", "weight": weight} for n, weight in enumerate(weights)]
    return route("weight", *targets, sticky=sticky)


def sticky(ttl: int = 600) -> Sticky:
    found = made(1, ttl=ttl).sticky
    assert found is not None
    return found


def first(a_route: Route, name: str, healths: Healths | None = None, time: float = 0.0, seed: int = 0) -> str:
    assert a_route.sticky is not None
    session = a_route.sticky.session({"x-session": name}, {}, time)
    return next(choose(a_route, healths or Healths(), Clock(), Random(seed).random, {}, session)).name


@given(st.text(max_size=20), st.integers(0, 10**9))
def test_a_session_has_one_target_whatever_the_random_numbers(name: str, seed: int) -> None:
    assert first(made(30, 70), name) == first(made(30, 70), name, seed=seed)


def test_sessions_are_dealt_by_weight() -> None:
    count = Counter(first(made(75, 25), str(n)) for n in range(4000))
    assert count["p/0"] / 4000 == pytest.approx(0.75, abs=0.04)


def test_a_target_that_drops_out_moves_its_own_sessions_only() -> None:
    healths = Healths()
    for _ in range(5):
        healths.of("p/1").failed(1000.0, Failure(500))
    moved = Counter()  # type: Counter[str]
    for n in range(500):
        before, after = first(made(1, 1, 1), str(n)), first(made(1, 1, 1), str(n), healths)
        assert before in (after, "p/1")
        moved[after] += before == "p/1"
    assert moved["p/1"] == 0
    assert min(moved["p/0"], moved["p/2"]) > 30, "to all others"


def test_a_session_changes_once_in_its_time_and_not_with_all_others() -> None:
    ttl = 600
    changes = []
    for n in range(60):
        keys = [sticky(ttl).session({"x-session": str(n)}, {}, float(time)) for time in range(0, ttl, 10)]
        changes.append([place for place in range(1, len(keys)) if keys[place] != keys[place - 1]])
    assert all(len(each) <= 1 for each in changes)
    assert len({each[0] for each in changes if each}) > 20
    key = sticky(ttl).session({"x-session": "a"}, {}, 0.0)
    assert key != sticky(ttl).session({"x-session": "a"}, {}, float(ttl))


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ({"x-session": "a"}, {}),
        ({}, {"ticket_id": "a"}),
        ({"x-session": "a"}, {"ticket_id": ""}),
        ({"x-session": ""}, {}),
    ],
)
def test_what_tells_sessions_apart(headers: dict[str, str], metadata: dict[str, str]) -> None:
    key = sticky().session(headers, metadata, 0.0)
    assert key is not None and key == sticky().session({**headers, "other": "x"}, {**metadata, "other": "y"}, 0.0)
    assert key != sticky().session({"x-session": "a"}, {"ticket_id": "a"}, 0.0)


def test_a_request_without_any_identifier_is_in_no_session() -> None:
    assert sticky().session({"x-other": "a"}, {"other": "b"}, 0.0) is None


def test_the_same_model_may_stand_there_twice() -> None:
    twins = route(
        "weight",
        {"target": "p/a", "weight": 50, "override_params": {"temperature": 0}},
        {"target": "p/a", "weight": 50},
    )
    sessions = [n.to_bytes(16, "big") for n in range(200)]
    dealt = Counter(next(choose(twins, Healths(), Clock(), Random(0).random, {}, s)).seed for s in sessions)
    assert min(dealt.values()) > 60 and len(dealt) == 2
