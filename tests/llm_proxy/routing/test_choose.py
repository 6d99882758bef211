"""In which order targets are tried."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.routing.choose import Candidates, choose
from llm_proxy.routing.health import Healths
from llm_proxy.routing.policy import Failure
from llm_proxy.routing.rolling import ENOUGH
from llm_proxy.routing.targets import Route
from tests.llm_proxy.routing.specs import Clock, route

SERVER = Failure(500, "server")


def break_down(healths: Healths, *names: str, now: float = 1000.0) -> None:
    for name in names:
        for _ in range(5):
            healths.of(name).failed(now, SERVER)


def measure(healths: Healths, name: str, token: float, *, first: float | None = None, calls: int = ENOUGH) -> None:
    for _ in range(calls):
        duration = 100 * token + (first or 0.0)
        healths.of(name).answered(1000.0, duration=duration, first_token=first, output_tokens=100 + (first is not None))


def candidates(
    made: Route,
    healths: Healths | None = None,
    metadata: Mapping[str, str] | None = None,
    seed: int = 0,
    session: bytes | None = None,
    clock: Clock | None = None,
) -> Candidates:
    return choose(made, healths or Healths(), clock or Clock(), Random(seed).random, metadata or {}, session)


def names(*args: Any, **kwargs: Any) -> list[str]:
    return [target.name for target in candidates(*args, **kwargs)]


def weighted(**weights: int) -> Route:
    return route("weight", *({"target": f"p/{name}", "weight": weight} for name, weight in weights.items()))


def ordered(*targets: Mapping[str, Any]) -> Route:
    return route("priority", *({"target": f"p/{name}", **rest} for name, rest in zip("abcdef", targets, strict=False)))


def latency(count: int, **first: Any) -> Route:
    return route("latency", *({"target": f"p/{name}"} | (first if name == "a" else {}) for name in "abcdef"[:count]))


WEIGHTS = st.lists(st.integers(0, 100), min_size=1, max_size=5).filter(any)


@settings(max_examples=12)
@given(WEIGHTS, st.integers(0, 2**32))
def test_weights_converge(weights: list[int], seed: int) -> None:
    made = weighted(**dict(zip("abcde", weights, strict=False)))
    numbers, healths, draws = Random(seed).random, Healths(), 4000
    first = Counter(next(choose(made, healths, Clock(), numbers, {})).name for _ in range(draws))
    for name, weight in zip("abcde", weights, strict=False):
        share = weight / sum(weights)
        # Six standard deviations: one draw in a thousand million is further off.
        assert abs(first[f"p/{name}"] / draws - share) <= 6 * (share * (1 - share) / draws) ** 0.5 + 1e-9


def test_the_share_of_one_that_is_down_goes_to_the_others_by_their_weights() -> None:
    made, healths, numbers = weighted(a=50, b=40, c=10), Healths(), Random(1).random
    break_down(healths, "p/a")
    first = Counter(next(choose(made, healths, Clock(), numbers, {})).name for _ in range(5000))
    assert first["p/a"] == 0
    assert first["p/b"] / 5000 == pytest.approx(0.8, abs=0.03)


def test_one_without_weight_is_only_a_fallback() -> None:
    assert all(names(weighted(a=0, b=1, c=1), seed=seed)[2] == "p/a" for seed in range(50))


def test_priorities_are_an_order_and_equal_ones_stand_as_written() -> None:
    assert names(ordered({"priority": 2}, {}, {"priority": 1}, {})) == ["p/b", "p/d", "p/c", "p/a"]


def test_one_that_keeps_failing_is_passed_over_until_its_probe() -> None:
    made, healths, clock = ordered({}, {"priority": 1}), Healths(), Clock()
    break_down(healths, "p/a")
    assert names(made, healths, clock=clock) == ["p/b"]
    clock.now += 10
    probe = candidates(made, healths, clock=clock)
    assert next(probe).name == "p/a"
    assert names(made, healths, clock=clock) == ["p/b"], "while it is being probed"
    healths.of("p/a").answered(clock.now, duration=0.1)
    assert names(made, healths, clock=clock) == ["p/a", "p/b"]


@pytest.mark.parametrize("strategy", ["priority", "latency", "weight"])
def test_if_all_keep_failing_all_are_tried(strategy: str) -> None:
    weight = {"weight": 1} if strategy == "weight" else {}
    made, healths = route(strategy, {"target": "p/a", **weight}, {"target": "p/b", **weight}), Healths()
    break_down(healths, "p/a", "p/b")
    assert sorted(names(made, healths)) == ["p/a", "p/b"]


def test_a_single_target_is_always_tried() -> None:
    made, healths, clock = Route.to("p", "a"), Healths(), Clock()
    break_down(healths, "p/a")
    assert names(made, healths, clock=clock) == ["p/a"]
    clock.now += 10
    assert names(made, healths, clock=clock) == ["p/a"]
    assert names(made, healths, clock=clock) == ["p/a"], "also while it is being probed"


def test_one_that_breaks_meanwhile_is_passed_over_too() -> None:
    made, healths = ordered({}, {"priority": 1}, {"priority": 2}), Healths()
    found = candidates(made, healths)
    assert (next(found).name, found.others) == ("p/a", True)
    break_down(healths, "p/b")
    assert (next(found).name, found.others) == ("p/c", False)
    assert list(found) == []


def test_slow_targets_come_after_all_others() -> None:
    sla = {"sla_cutoff": {"time_to_first_token_ms": 500}}
    made, healths, clock = ordered(sla, {"priority": 1, **sla}, {"priority": 2}), Healths(), Clock()
    measure(healths, "p/a", 0.01, first=0.6)
    assert names(made, healths, clock=clock) == ["p/b", "p/c", "p/a"]
    measure(healths, "p/b", 0.01, first=0.6)
    assert names(made, healths, clock=clock) == ["p/c", "p/a", "p/b"]
    clock.now += 180
    assert names(made, healths, clock=clock) == ["p/a", "p/b", "p/c"], "what is known is too old"


def test_the_fastest_and_those_about_as_fast_are_drawn_alike() -> None:
    made, healths, numbers = latency(4), Healths(), Random(2).random
    for name, token in (("a", 0.010), ("b", 0.0119), ("c", 0.0125), ("d", 0.05)):
        measure(healths, f"p/{name}", token)
    orders = Counter("".join(t.model for t in choose(made, healths, Clock(), numbers, {})) for _ in range(2000))
    assert set(orders) == {"abcd", "bacd"}
    assert orders["abcd"] / 2000 == pytest.approx(0.5, abs=0.06)


def test_one_that_was_hardly_asked_counts_as_fastest() -> None:
    made, healths = latency(3), Healths()
    measure(healths, "p/a", 0.010)
    measure(healths, "p/b", 0.020)
    measure(healths, "p/c", 5.0, calls=ENOUGH - 1)
    assert {names(made, healths, seed=seed)[0] for seed in range(40)} == {"p/a", "p/c"}


def test_the_fastest_of_those_that_are_left() -> None:
    made, healths = latency(4), Healths()
    for name, token in (("a", 0.010), ("b", 0.020), ("c", 0.022), ("d", 0.050)):
        measure(healths, f"p/{name}", token)
    break_down(healths, "p/a")
    assert {"".join(names(made, healths, seed=seed)) for seed in range(40)} == {"p/bp/cp/d", "p/cp/bp/d"}


def test_one_that_is_no_fallback_keeps_to_its_own_share() -> None:
    made = route(
        "weight",
        {"target": "p/a", "weight": 80},
        {"target": "p/b", "weight": 20, "fallback_candidate": False},
        {"target": "p/c", "weight": 0},
    )
    healths, numbers = Healths(), Random(3).random
    break_down(healths, "p/a")
    orders = Counter("".join(t.model for t in choose(made, healths, Clock(), numbers, {})) for _ in range(3000))
    assert set(orders) == {"c", "bc"}
    assert orders["bc"] / 3000 == pytest.approx(0.2, abs=0.04)


def test_one_that_is_no_fallback_is_first_in_the_order_or_nowhere() -> None:
    plain, never = {"priority": 1}, {"priority": 1, "fallback_candidate": False}
    assert names(ordered({}, never, plain)) == ["p/a", "p/c"]
    assert names(ordered({"priority": 0, "fallback_candidate": False}, plain)) == ["p/a", "p/b"]


def test_one_that_is_no_fallback_is_not_used_when_it_is_too_slow() -> None:
    sla = {"sla_cutoff": {"time_to_first_token_ms": 500}, "fallback_candidate": False}
    healths = Healths()
    measure(healths, "p/a", 0.01, first=0.6)
    assert names(ordered(sla, {"priority": 1}), healths) == ["p/b"]
    assert names(ordered(sla), healths) == ["p/a"]


def test_targets_for_other_metadata_are_none() -> None:
    made = ordered({"metadata_match": {"region": "eu"}}, {"metadata_match": {"region": "us"}}, {"priority": 1})
    assert names(made, metadata={"region": "us", "x": "y"}) == ["p/b", "p/c"]
    assert names(made) == ["p/c"]
    assert names(ordered({"metadata_match": {"region": "eu"}})) == []


TARGETS = st.lists(
    st.fixed_dictionaries(
        {"target": st.sampled_from(["p/a", "p/b", "p/c", "q/a"]), "weight": st.integers(0, 100)},
        optional={
            "priority": st.integers(0, 3),
            "fallback_candidate": st.booleans(),
            "metadata_match": st.dictionaries(st.just("k"), st.sampled_from(["1", "2"])),
            "sla_cutoff": st.just({"time_per_output_token_ms": 15}),
        },
    ),
    min_size=1,
    max_size=6,
)
STATES = st.dictionaries(
    st.sampled_from(["p/a", "p/b", "p/c", "q/a"]), st.sampled_from(["down", "probing", "slow", "fast"])
)
BELONGS = {"weight": ("weight",), "latency": (), "priority": ("priority", "sla_cutoff")}


@settings(max_examples=300)
@given(
    st.sampled_from(["weight", "latency", "priority"]),
    TARGETS.filter(lambda targets: any(target["weight"] for target in targets)),
    STATES,
    st.dictionaries(st.just("k"), st.sampled_from(["1", "2", "3"])),
    st.integers(0, 1000),
    st.none() | st.binary(min_size=16, max_size=16),
)
def test_what_holds_for_every_choice(
    strategy: str,
    targets: list[dict[str, Any]],
    states: dict[str, str],
    metadata: dict[str, str],
    seed: int,
    session: bytes | None,
) -> None:
    other = set(itertools.chain(*BELONGS.values())) - set(BELONGS[strategy])
    made = route(strategy, *({key: value for key, value in each.items() if key not in other} for each in targets))

    def state() -> Healths:
        healths = Healths()
        for name, how in states.items():
            if how in ("down", "probing"):
                break_down(healths, name, now=1000.0 if how == "down" else 900.0)
                healths.of(name).circuit.admit(1000.0)
            else:
                measure(healths, name, 0.02 if how == "slow" else 0.01)
        return healths

    found = list(candidates(made, state(), metadata, seed, session))
    assert found == list(candidates(made, state(), metadata, seed, session)), "the same numbers give the same order"
    eligible = [target for target in made.targets if target.metadata <= metadata.items()]
    assert len({id(target) for target in found}) == len(found), "no candidate twice"
    assert all(target in eligible for target in found), "none that is for others"
    assert bool(found) == bool(eligible), "somebody is always asked"
    assert all(target.fallback for target in found[1:]), "no fallback to what is none"
    well = [states.get(target.name) not in ("down", "probing") for target in found]
    assert all(well) or not any(well), "what is down only if all are"
    if any(well):
        assert all(
            target in found
            for target in eligible
            if target.fallback and states.get(target.name) not in ("down", "probing")
        ), "everybody who is well"
