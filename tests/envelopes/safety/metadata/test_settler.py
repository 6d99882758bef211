"""What is kept of settled metadata changes no answer: not between principals, not between contracts, not in bulk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.metadata import META_KEY
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.safety.metadata.claims import read_claims
from mcp_gateway.envelopes.safety.metadata.contract import Contract
from mcp_gateway.envelopes.safety.metadata.settler import MAX_KEPT, MAX_LENGTH, Settler
from mcp_gateway.settings.governance import MetadataSettings

TFY, OWN = "x-tfy-metadata", "x-gateway-metadata"
STAMPS = [
    {"when": {"subjects": ["team:payments"]}, "set": {"cost_center": "pay"}},
    {"when": {"subjects": ["user:p@example.com", "virtual_account:robot"]}, "set": {"cost_center": "one"}},
    {"when": {"subjects": ["user:corp|q"]}, "set": {"owner": "q"}},
]


def contract(**spec: Any) -> Contract:
    return Contract.of(MetadataSettings.model_validate(spec))


def kept(settler: Settler) -> int:
    return len(settler._kept)


_teams = st.lists(st.sampled_from(["payments", "on-call", "p", ""]), max_size=2).map(tuple)
_people = st.builds(
    lambda subject, email, teams: Principal(id=f"corp|{subject}", subject=subject, email=email, teams=teams),
    st.sampled_from(["p", "q", "p@example.com", "payments", "robot"]),
    st.sampled_from([None, "p@example.com", "q@example.com"]),
    _teams,
)
_robots = st.builds(
    lambda name, teams: Principal(id=f"virtual_account:{name}", subject=name, kind="virtual_account", teams=teams),
    st.sampled_from(["robot", "p"]),
    _teams,
)
_values = st.sampled_from(['{"cost_center": "mine"}', '{"owner": "me"}', "{}", "", "[", '{"environment": "staging"}'])
_headers = st.dictionaries(st.sampled_from([TFY, OWN]), st.lists(_values, max_size=2).map(tuple))
_meta = st.sampled_from([None, {}, {META_KEY: {"owner": "meta"}}, {META_KEY: None}, {META_KEY: {"cost_center": "x"}}])
_asked = st.tuples(_headers, _meta, st.one_of(_people, _robots, st.just(ANONYMOUS)))


@given(st.lists(_asked, max_size=12), st.booleans(), st.sampled_from(["allow", "reject"]))
def test_every_request_is_answered_as_if_it_were_the_first(
    asked: list[tuple[Mapping[str, tuple[str, ...]], Any, Principal]], required: bool, unknown: str
) -> None:
    by = contract(keys={"environment": {"required": required}}, stamp=STAMPS, unknown_keys=unknown)
    settler = Settler(by)
    for headers, meta, who in [*asked, *asked]:
        assert settler.settle(headers, meta, who) == by.settle(read_claims(headers, meta), who)


def test_what_one_principal_is_stamped_with_is_not_what_another_gets() -> None:
    settler = Settler(contract(keys={}, stamp=STAMPS))
    headers = {TFY: ('{"cost_center": "mine"}',)}
    team = Principal(id="corp|a", subject="a", teams=("payments",))
    named = Principal(id="corp|b", subject="b", email="p@example.com")
    for _ in range(2):
        assert settler.settle(headers, None, team).values == {"cost_center": "pay"}
        assert settler.settle(headers, None, named).values == {"cost_center": "one"}
        assert settler.settle(headers, None, ANONYMOUS).values == {"cost_center": "mine"}


def test_the_two_headers_and_their_order_are_told_apart() -> None:
    settler = Settler(contract(keys={}))
    good, bad = '{"a": "1"}', "["
    for _ in range(2):
        assert settler.settle({TFY: (good,)}, None, ANONYMOUS).values == {"a": "1"}
        (fault,) = settler.settle({TFY: (bad,)}, None, ANONYMOUS).faults
        (other,) = settler.settle({OWN: (bad,)}, None, ANONYMOUS).faults
        assert (fault.at, other.at) == ("X-TFY-METADATA", "X-Gateway-Metadata")
        assert settler.settle({TFY: (good, bad)}, None, ANONYMOUS).values == {"a": "1"}
        assert settler.settle({TFY: (bad, good)}, None, ANONYMOUS).values == {}


def test_another_contract_gives_another_answer_to_the_same_request() -> None:
    headers = {TFY: ('{"environment": "staging"}',)}
    before = Settler(contract(keys={"environment": {}}, stamp=[{"set": {"cost_center": "old"}}]))
    after = Settler(
        contract(keys={"environment": {"allowed": ["production"]}}, stamp=[{"set": {"cost_center": "new"}}])
    )
    assert before.settle(headers, None, ANONYMOUS).values["cost_center"] == "old"
    settled = after.settle(headers, None, ANONYMOUS)
    assert settled.values["cost_center"] == "new"
    assert [fault.at for fault in settled.faults] == ["environment"]


def test_what_is_said_again_is_not_read_again_whoever_of_the_same_marks_says_it() -> None:
    settler = Settler(contract(keys={}, stamp=STAMPS))
    headers = {TFY: ('{"a": "1"}',)}
    first, second = (Principal(id=f"corp|{name}", subject=name, teams=("payments", name)) for name in "xy")
    settled = settler.settle(headers, None, first)
    assert settler.settle({TFY: (json.dumps({"a": "1"}),)}, {"progressToken": 1}, second) is settled
    assert kept(settler) == 1


def test_meta_that_says_something_is_neither_kept_nor_answered_from_what_is() -> None:
    settler = Settler(contract(keys={}))
    headers = {TFY: ('{"a": "1"}',)}
    settler.settle(headers, None, ANONYMOUS)
    for said in ({"b": "2"}, {"b": "3"}):
        assert settler.settle(headers, {META_KEY: said}, ANONYMOUS).values == {"a": "1", **said}
    assert settler.settle(headers, {META_KEY: {"a": "2"}}, ANONYMOUS).faults
    assert not settler.settle(headers, None, ANONYMOUS).faults
    assert kept(settler) == 1


def test_what_is_kept_is_bounded_and_the_least_lately_met_goes_first() -> None:
    settler = Settler(contract(keys={}))

    def ask(number: int) -> Any:
        return settler.settle({TFY: (json.dumps({"ticket": str(number)}),)}, None, ANONYMOUS)

    first, second = ask(0), ask(1)
    for number in range(2, MAX_KEPT):
        ask(number)
    assert ask(0) is first and kept(settler) == MAX_KEPT
    for number in range(MAX_KEPT, MAX_KEPT + 3):
        ask(number)
    assert kept(settler) == MAX_KEPT
    assert ask(0) is first
    assert ask(1) is not second and ask(1) == second


@pytest.mark.parametrize(("length", "count"), [(MAX_LENGTH, 1), (MAX_LENGTH + 1, 0)])
def test_long_headers_are_not_kept(length: int, count: int) -> None:
    settler = Settler(contract(keys={}))
    value = '{"a": "1"}'.ljust(length - 2)
    headers = {TFY: (value,), OWN: ("{}",)}
    assert settler.settle(headers, None, ANONYMOUS) == settler.settle(headers, None, ANONYMOUS)
    assert kept(settler) == count


def test_what_requests_share_cannot_be_changed() -> None:
    settler = Settler(contract(keys={"a": {}}))
    settled = settler.settle({TFY: ('{"a": "1"}',)}, None, ANONYMOUS)
    for values in (settled.values, settled.shown):
        with pytest.raises(TypeError):
            cast("dict[str, str]", values)["a"] = "2"
