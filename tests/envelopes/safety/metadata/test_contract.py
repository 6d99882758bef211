"""A contract: what must be there, what it may be, and that identity outranks what a caller claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.safety.metadata.claims import Claims, Fault
from mcp_gateway.envelopes.safety.metadata.contract import Contract, Settled
from mcp_gateway.settings.governance import MetadataSettings

KEYS: dict[str, Any] = {
    "team": {"required": True},
    "environment": {"required": True, "allowed": ["production", "staging", "development"]},
    "ticket_id": {"pattern": "[A-Z]+-[0-9]+"},
}
GOOD = {"team": "payments", "environment": "staging"}
PAYING = Principal(id="corp|p", subject="p", email="p@example.com", teams=("payments", "on-call"))
ROBOT = Principal(id="virtual_account:robot", subject="robot", kind="virtual_account", teams=("payments",))


def settle(claims: dict[str, str], who: Principal = ANONYMOUS, **spec: Any) -> Settled:
    return Contract.of(MetadataSettings.model_validate({"keys": KEYS, **spec})).settle(Claims(claims), who)


@pytest.mark.parametrize(
    ("claims", "faults"),
    [
        (GOOD, {}),
        ({**GOOD, "ticket_id": "OPS-12"}, {}),
        ({**GOOD, "other": "x"}, {}),
        (
            {},
            {
                "team": "`team` is required",
                "environment": "`environment` must be one of production, staging, development (required)",
            },
        ),
        ({**GOOD, "team": ""}, {"team": "`team` is required"}),
        ({"Team": "x", "environment": "staging"}, {"team": "`team` is required"}),
        (
            {**GOOD, "environment": "prod"},
            {"environment": "`environment` must be one of production, staging, development"},
        ),
        (
            {**GOOD, "environment": "Staging"},
            {"environment": "`environment` must be one of production, staging, development"},
        ),
        ({**GOOD, "ticket_id": "xOPS-12"}, {"ticket_id": "`ticket_id` must be of the form [A-Z]+-[0-9]+"}),
        ({**GOOD, "ticket_id": "OPS-12; drop"}, {"ticket_id": "`ticket_id` must be of the form [A-Z]+-[0-9]+"}),
        ({**GOOD, "ticket_id": ""}, {"ticket_id": "`ticket_id` must be of the form [A-Z]+-[0-9]+"}),
    ],
)
def test_each_key_is_held_against_the_contract(claims: dict[str, str], faults: dict[str, str]) -> None:
    settled = settle(claims)
    assert {fault.at: fault.words for fault in settled.faults} == faults
    assert settled.values == claims
    assert settled.shown == {key: claims[key] for key in KEYS if key in claims and key not in faults}


def test_unknown_keys_are_taken_or_refused_without_being_named() -> None:
    assert not settle({**GOOD, "secret-key": "x"}).faults
    refused = settle({**GOOD, "secret-key": "x"}, unknown_keys="reject")
    assert refused.faults == (Fault("unknown_keys", "no other keys are taken than team, environment, ticket_id"),)
    assert not settle({**GOOD, "ticket_id": "A-1"}, unknown_keys="reject").faults
    assert settle({"a": "x"}, keys={}, unknown_keys="reject").faults == (Fault("unknown_keys", "no keys are taken"),)


def test_a_value_may_have_to_be_one_of_some_and_of_a_form() -> None:
    spec = {"a": {"allowed": ["x1", "y1"], "pattern": "[a-z][0-9]"}}
    assert not settle({"a": "x1"}, keys=spec).faults
    (fault,) = settle({"a": "z1"}, keys=spec).faults
    assert fault.words == "`a` must be one of x1, y1 and of the form [a-z][0-9]"


def test_a_refusal_names_some_of_many_values_only() -> None:
    (fault,) = settle({"a": "x"}, keys={"a": {"allowed": [f"v{n}" for n in range(500)]}}).faults
    assert fault.words.endswith("v11, …")


@pytest.mark.parametrize(
    ("subjects", "who", "matches"),
    [
        ([], ANONYMOUS, True),
        (["team:payments"], PAYING, True),
        (["team:payments"], ROBOT, True),
        (["team:payments"], ANONYMOUS, False),
        (["team:pay"], PAYING, False),
        (["user:p@example.com"], PAYING, True),
        (["user:corp|p"], PAYING, True),
        (["user:robot"], ROBOT, False),
        (["virtual_account:robot"], ROBOT, True),
        (["user:nobody", "team:on-call"], PAYING, True),
    ],
)
def test_a_stamp_is_for_those_whom_it_names(subjects: list[str], who: Principal, matches: bool) -> None:
    stamp = [{"when": {"subjects": subjects}, "set": {"cost_center": "eng-core"}}]
    settled = settle({**GOOD, "cost_center": "theirs"}, who, stamp=stamp)
    assert settled.values["cost_center"] == ("eng-core" if matches else "theirs")
    assert settled.shown["cost_center"] == settled.values["cost_center"] and not settled.faults


def test_identity_says_what_is_required_and_outranks_what_would_be_refused() -> None:
    stamp = [{"set": {"team": "everybody", "environment": "staging"}}]
    assert settle({"environment": "prod"}, stamp=stamp, unknown_keys="reject") == Settled(
        {"team": "everybody", "environment": "staging"}, {"team": "everybody", "environment": "staging"}
    )


def test_of_two_stamps_the_first_counts_so_that_the_last_may_be_for_everybody() -> None:
    stamp = [{"when": {"subjects": ["team:payments"]}, "set": {"c": "payments"}}, {"set": {"c": "none"}}]
    assert settle({"c": "mine"}, PAYING, keys={}, stamp=stamp).values == {"c": "payments"}
    assert settle({"c": "mine"}, keys={}, stamp=stamp).values == {"c": "none"}


def test_a_stamped_key_is_not_unknown_to_those_who_are_stamped() -> None:
    stamp = [{"when": {"subjects": ["team:payments"]}, "set": {"c": "x"}}]
    assert not settle({**GOOD, "c": "y"}, PAYING, stamp=stamp, unknown_keys="reject").faults
    assert settle({**GOOD, "c": "y"}, stamp=stamp, unknown_keys="reject").faults


def test_without_a_contract_all_that_can_be_read_is_taken_and_nothing_recorded() -> None:
    settled = Contract.of(None).settle(Claims({"a": "x"}, (Fault("_meta", "w"),)), ANONYMOUS)
    assert settled == Settled({"a": "x"}, {}, (Fault("_meta", "w"),))
    assert Contract.of(None).settle(Claims(), ANONYMOUS) == Settled()


_values = st.sampled_from(["payments", "staging", "production", "A-1", "x", ""])
_claims = st.dictionaries(st.sampled_from([*KEYS, "c", "other"]), _values)
_stamps = st.lists(
    st.builds(
        lambda subjects, c, team: {"when": {"subjects": subjects}, "set": {"c": c, **({"team": team} if team else {})}},
        st.lists(st.sampled_from(["team:payments", "user:p", "team:other"]), max_size=2),
        _values,
        _values,
    ),
    max_size=3,
)


@given(_claims, _stamps, st.sampled_from([PAYING, ROBOT, ANONYMOUS]), st.sampled_from(["allow", "reject"]))
def test_nothing_that_is_settled_breaks_the_contract(
    claims: dict[str, str], stamps: list[Any], who: Principal, unknown: str
) -> None:
    spec = MetadataSettings.model_validate({"keys": KEYS, "unknown_keys": unknown, "stamp": stamps})
    settled = Contract.of(spec).settle(Claims(claims), who)
    if not settled.faults:
        assert all(settled.values.get(name) for name, key in spec.keys.items() if key.required)
        assert all(spec.keys[name].takes(value) for name, value in settled.values.items() if name in spec.keys)
        assert unknown == "allow" or settled.values.keys() <= {*KEYS, "c"}
    assert settled.shown.items() <= settled.values.items()
    assert all(name not in spec.keys or spec.keys[name].takes(value) for name, value in settled.shown.items())
