"""Recorded decisions made again: definite where the record tells, unknown and named where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.cli.policy.replay.again import NOBODY, NOT_THERE, DecideAgain
from mcp_gateway.cli.policy.replay.inferred import Inference
from mcp_gateway.cli.policy.replay.recorded import decided, identity
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.engine import UNTOLD, Engine
from tests.cli.policy.replay.making import ALICE, FACTS, SUBJECTS, Past, text

ALL = '@id("all") permit(principal, action, resource);'
FINANCE = '@id("finance") permit(principal in Team::"finance", action, resource);'
SMALL = '@id("small") permit(principal, action, resource) when { context.input.sum < 100 };'
NO_BOB = '@id("no-bob") forbid(principal, action, resource) when { context.input has to && context.input.to == "bob" };'
NO_DEBT = (
    '@id("no-debt") forbid(principal, action, resource) when { context has output && context.output.result like "-*" };'
)
OPS = '@id("ops") permit(principal, action, resource) when { principal.hasTag("dept") && '
OPS += 'principal.getTag("dept").contains("ops") };'
DESK_ONLY = '@id("desk") forbid(principal, action, resource) unless { context.ip.isInRange(ip("10.0.0.0/8")) };'
FAILED = '@id("failed") forbid(principal, action, resource) when { context has output_info && '
FAILED += "context.output_info.is_error };"
EVERY = (ALL, FINANCE, SMALL, NO_BOB, NO_DEBT, OPS, DESK_ONLY, FAILED)


def test_a_permission_that_is_gone_is_a_change() -> None:
    again = Past(ALL).replayed(text(FINANCE), {"sum": 1}, {"result": "1"}, who=replace(ALICE, teams=()))
    assert (again.result, again.word, again.policies) == ("changed", "deny", ())
    again = Past(ALL).replayed(text(FINANCE), {"sum": 1}, {"result": "1"})
    assert (again.result, again.word, again.policies) == ("same", "allow", ("finance",))


def test_what_is_read_and_was_not_recorded_is_named() -> None:
    again = Past(ALL).replayed(text(SMALL), {"sum": 1}, {"result": "1"})
    assert (again.result, again.word) == ("unknown", None)
    assert again.why == "not recorded: context.input.sum"


def test_what_is_not_recorded_does_not_matter_where_every_value_gives_the_same() -> None:
    again = Past(ALL).replayed(text(SMALL, FINANCE), {"sum": 1000}, {"result": "1"})
    assert (again.result, again.word) == ("same", "allow")
    forbidden = '@id("never") forbid(principal, action, resource);'
    assert Past(ALL).replayed(text(SMALL, forbidden), {"sum": 1}).result == "changed"


def test_values_that_policies_read_are_recorded_where_the_configuration_says_so() -> None:
    past = Past(SMALL, NO_BOB, values=True)
    bigger = text(SMALL.replace("100", "1000"), NO_BOB)
    assert past.replayed(bigger, {"sum": 500}, {"result": "1"}).result == "changed"
    assert past.replayed(bigger, {"sum": 5000}, {"result": "1"}).result == "same"
    # `to` was read, so it is known to have been left out.
    assert past.replayed(text(SMALL, NO_BOB.replace('"bob"', '"eve"')), {"sum": 5}, {"result": "1"}).result == "same"


def test_no_content_is_in_the_record_unless_the_configuration_says_so() -> None:
    arguments, result = {"sum": 5, "to": "bob-the-secret"}, {"result": "paid-in-secret"}
    for line in Past(SMALL, NO_BOB, NO_DEBT).lines(arguments, result):
        assert "secret" not in str(line) and "5" not in line.get("asked", {}).values()
    _, recorded = Past(SMALL, NO_BOB, NO_DEBT, values=True).lines({**arguments, "deep": {"x": "unread"}}, result)
    assert "bob-the-secret" in str(recorded) and "paid-in-secret" in str(recorded) and "unread" not in str(recorded)


def test_a_decision_tells_of_policies_that_stay_as_they_are() -> None:
    # Nothing of the arguments was recorded, but that it was allowed says that `no-bob` did not hold.
    again = Past(SMALL, NO_BOB).replayed(text(SMALL, NO_BOB, DESK_ONLY), {"sum": 5, "to": "eve"}, {"result": "1"})
    assert (again.result, again.policies) == ("same", ("small",))
    again = Past(SMALL, NO_BOB).replayed(text(SMALL, NO_BOB, FINANCE), {"sum": 5, "to": "bob"})
    assert (again.result, again.policies) == ("same", ("no-bob",))
    again = Past(SMALL, NO_BOB).replayed(text(SMALL, FINANCE), {"sum": 500, "to": "eve"}, {"result": "1"})
    assert (again.result, again.policies) == ("changed", ("finance",))


def test_a_denial_by_a_forbid_tells_nothing_of_permits() -> None:
    again = Past(SMALL, NO_BOB).replayed(text(SMALL), {"sum": 5, "to": "bob"})
    assert (again.result, again.why) == ("unknown", "not recorded: context.input.sum")
    # Where nothing forbade it, no permit held.
    assert Past(SMALL, NO_BOB).replayed(text(SMALL), {"sum": 500, "to": "eve"}).result == "same"


def test_a_decision_that_was_never_made_tells_nothing() -> None:
    past = Past(ALL, NO_DEBT)
    _, record = past.lines({"sum": 5}, {"result": "-1"})
    del record["release"]
    made = decided(record)
    assert made is not None
    inference = Inference(past.text, past.text)
    assert inference.told(made, after=True).not_held == frozenset()
    assert inference.told(made, after=False).not_held == {"policy1"}


def test_a_failure_and_other_policies_tell_nothing() -> None:
    past = Past(ALL, NO_BOB)
    made = decided(past.lines({"sum": 5})[1])
    assert made is not None
    inference = Inference(past.text, past.text)
    assert inference.told(made, after=False).held == {"policy0"}
    for other in (replace(made, first="error"), replace(made, rules="0" * 16)):
        assert inference.told(other, after=False) == UNTOLD
    assert Inference(None, past.text).told(made, after=False) == UNTOLD


def test_a_result_that_was_held_back_and_would_not_be_is_a_change() -> None:
    past = Past(ALL, NO_DEBT)
    assert past.replayed(text(ALL), {"sum": 5}, {"result": "-1"}).result == "changed"
    assert past.replayed(text(ALL, NO_DEBT), {"sum": 5}, {"result": "-1"}).result == "same"
    assert Past(ALL).replayed(text(ALL, NO_DEBT), {"sum": 5}, {"result": "-1"}).result == "unknown"
    assert Past(ALL, FAILED).replayed(text(ALL, NO_DEBT), {"sum": 5}, {"result": "-1"}).result == "unknown"


def test_a_claim_that_no_policy_read_is_not_recorded_and_so_not_known() -> None:
    introduced, _ = Past(ALL).lines({"sum": 1})
    assert introduced["claims"] == {} and introduced["claims_not_recorded"] == ["dept"]
    assert Past(ALL).replayed(text(OPS), {"sum": 1}, {"result": "1"}).why == 'not recorded: the claim "dept"'
    assert Past(ALL, OPS).replayed(text(OPS), {"sum": 1}, {"result": "1"}, inferring=False).result == "same"
    without = replace(ALICE, claims={})
    assert Past(ALL).replayed(text(OPS), {"sum": 1}, {"result": "1"}, who=without).result == "changed"


def test_a_token_that_only_points_to_its_claims_is_still_denied() -> None:
    who = replace(ALICE, claims={"_claim_names": {"groups": "src1"}})
    assert Past(ALL).replayed(text(ALL, FINANCE), {"sum": 1}, who=who).result == "same"


def test_what_is_there_no_more_and_who_is_not_in_the_record_is_not_known() -> None:
    introduced, record = Past(ALL).lines({"sum": 1})
    again = DecideAgain(Engine(Compiled(text(ALL)), FACTS), SUBJECTS, Inference(None, text(ALL)))
    made, elsewhere = decided(record), decided({**record, "server": "shop"})
    assert made is not None and elsewhere is not None
    assert again(made, None).why == NOBODY
    assert again(elsewhere, identity(introduced)).why == NOT_THERE
    assert again(made, identity(introduced)).result == "same"


sets = st.lists(st.sampled_from(EVERY), min_size=1, max_size=5, unique=True)
arguments = st.fixed_dictionaries(
    {"sum": st.sampled_from([1, 100, 5000])}, optional={"to": st.sampled_from(["bob", "eve"])}
)
results = st.fixed_dictionaries({"result": st.sampled_from(["-1", "1"])})
people = st.builds(
    lambda teams, dept: replace(ALICE, teams=teams, claims={"dept": dept} if dept else {}),
    st.sampled_from([(), ("finance",)]),
    st.sampled_from(["", "ops", "hr"]),
)


@settings(max_examples=300, deadline=None)
@given(sets, sets, arguments, results, people, st.booleans(), st.booleans())
def test_an_answer_is_what_the_new_policies_would_have_said(
    old: list[str],
    new: list[str],
    given_: dict[str, Any],
    result: dict[str, str],
    who: Principal,
    values: bool,
    inferring: bool,
) -> None:
    past = Past(*old, values=values)
    again = past.replayed(text(*new), given_, result, who=who, inferring=inferring)
    _, record = past.lines(given_, result, who)
    if again.result == "unknown":
        assert again.why
        return
    # Where the call was refused before it was made, only the first question can be asked again.
    now = Past(*new)
    made = record["outcome"] == "ok"
    truth = now.word(given_, result, who) if made else now.lines(given_, None, who)[1]["decision"]
    assert again.word == ("allow" if truth == "allow" else "deny")
    was = past.word(given_, result, who)
    assert again.result == ("same" if again.word == was else "changed")


@pytest.mark.parametrize("values", [False, True])
@settings(max_examples=60, deadline=None)
@given(old=sets, given_=arguments, result=results)
def test_the_same_policies_decide_the_same(
    values: bool, old: list[str], given_: dict[str, Any], result: dict[str, str]
) -> None:
    assert Past(*old, values=values).replayed(text(*old), given_, result).result == "same"
