"""The engine: what policies say, and every way in which nothing may be allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cedarpy import is_authorized_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar import engine as engine_module
from mcp_gateway.envelopes.policy.cedar.model import USE_MODEL, Facts, Output, Question, Subject, ToolFacts, Uid
from tests.envelopes.policy.cedar.making import ALICE, NOW, REFUND, STATUS, ask, decide, engine, of

ALL = "permit(principal, action, resource);"
REFUNDS = 'action == Action::"payments/create_refund"'
SMALL = (
    f'permit(principal in Team::"finance", {REFUNDS}, resource) '
    'when { context.input.amount.lessThan(decimal("500.0")) };'
)


def forbid(condition: str) -> str:
    return f"forbid(principal, {REFUNDS}, resource) when {{ {condition} }};"


# ---------------------------------------------------------------- decisions


def test_nothing_is_permitted_by_itself() -> None:
    verdict = decide({"amount": 1})
    assert (verdict.allowed, verdict.policies, verdict.failure) == (False, (), None)


def test_a_permit_allows_and_is_named() -> None:
    verdict = decide({"amount": 499.99}, SMALL, 'permit(principal in Team::"other", action, resource);')
    assert (verdict.allowed, verdict.policies) == (True, ("p0",))


def test_a_forbid_wins_and_is_named() -> None:
    verdict = decide({"amount": 1, "memo": "x"}, ALL, forbid('context.input has memo && context.input.memo == "x"'))
    assert (verdict.allowed, verdict.policies) == (False, ("p1",))


def test_where_no_policy_reads_anything_of_a_call_it_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def counted(requests: Any, *handles: Any) -> Any:
        asked.append(requests)
        return is_authorized_batch(requests, *handles)

    monkeypatch.setattr(engine_module, "is_authorized_batch", counted)
    held = engine(SMALL, "permit(principal, action, resource) when { resource.read_only };")
    status = [held.decide(ask(STATUS, {})) for _ in range(3)]
    once = len(asked)
    assert [verdict.policies for verdict in status] == [("p1",)] * 3
    refunds = [held.decide(ask(REFUND, {"amount": amount})) for amount in (1, 501, 2)]
    assert [verdict.allowed for verdict in refunds] == [True, False, True]
    assert (once, len(asked)) == (2, 6)  # a scope and a verdict; a scope and three verdicts
    late = engine(ALL, "forbid(principal, action, resource) when { context has output_info };")
    del asked[:]
    before = [late.decide(ask(STATUS, {})).allowed for _ in range(2)]
    after = [late.decide(ask(STATUS, {}, output=Output(None, False, 1, ()))).allowed for _ in range(2)]
    assert (before, after, len(asked)) == ([True, True], [False, False], 3)


def test_what_is_remembered_of_one_call_is_said_of_its_like_only() -> None:
    held = engine(
        SMALL, "forbid(principal, action, resource) when { context has output_info && context.output_info.is_error };"
    )
    for _ in range(2):
        for amount in range(490, 510):  # more than are remembered
            assert held.decide(ask(REFUND, {"amount": amount})).allowed is (amount < 500)
        for failed, size in ((True, 1), (False, 1), (False, 2), (True, 2)):
            output = Output(None, failed, size, ())
            assert held.decide(ask(STATUS, {}, output=output)).allowed is False  # nothing permits it
            assert held.decide(ask(REFUND, {"amount": 1}, output=output)).allowed is not failed


def test_of_a_name_as_long_as_a_client_likes_nothing_is_kept() -> None:
    held = engine("permit(principal, action, resource);")
    for length in (engine_module.MAX_NAME, engine_module.MAX_NAME + 1):
        subject = Subject(USE_MODEL, Uid("Model", "m" * length), "", "")
        assert held.decide(Question(ALICE, subject, NOW, "::", {})).allowed
    assert [len(resource.id) for _, _, resource, _ in held._held] == [engine_module.MAX_NAME]


def test_the_clock_is_looked_at_each_time() -> None:
    held = engine('permit(principal, action, resource) when { context.now < datetime("2026-11-24T12:00:01Z") };')
    late = ask(STATUS, {})._replace(now=NOW + timedelta(seconds=1))
    assert [held.decide(each).allowed for each in (ask(STATUS, {}), late, ask(STATUS, {}))] == [True, False, True]


@pytest.mark.parametrize(
    ("amount", "allowed"), [(499, True), (499.9999, True), (500, False), (500.0, False), (-1, True), (1e2, True)]
)
def test_numbers_are_decimals(amount: float, allowed: bool) -> None:
    assert decide({"amount": amount}, SMALL).allowed is allowed


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ('context.ip.isInRange(ip("10.0.0.0/8"))', True),
        ('context.ip.isInRange(ip("192.168.0.0/16"))', False),
        ('context.now < datetime("2026-11-24T12:00:01Z")', True),
        ('context.now < datetime("2026-11-24T12:00:00Z")', False),
        ('context.agent has client_id && context.agent.client_id == "agent-1"', True),
        ('context.metadata has environment && context.metadata.environment == "test"', True),
        ('principal.subject == "alice" && principal has email', True),
        ('context.input.labels.contains("a")', True),
        ('context.input.to.iban == "DE1"', True),
    ],
)
def test_the_context_and_the_principal_can_be_asked_about(condition: str, allowed: bool) -> None:
    guarded = condition.replace("context.input.labels", "context.input has labels && context.input.labels", 1)
    guarded = guarded.replace("context.input.to", "context.input has to && context.input.to", 1)
    given = {"amount": 1, "labels": ["a", "b"], "to": {"iban": "DE1"}}
    policy = f"permit(principal, {REFUNDS}, resource) when {{ {guarded} }};"
    assert decide(given, policy, metadata={"environment": "test"}).allowed is allowed


def test_an_address_of_ipv4_in_ipv6_is_in_its_network() -> None:
    policy = f'permit(principal, {REFUNDS}, resource) when {{ context.ip.isInRange(ip("10.0.0.0/8")) }};'
    assert decide({"amount": 1}, policy, ip="::ffff:10.1.2.3").allowed
    assert not decide({"amount": 1}, policy, ip="fe80::1%eth0").allowed


def test_a_policy_on_one_server_holds_only_there() -> None:
    policy = 'permit(principal, action, resource in VirtualServer::"support");'
    assert decide({"amount": 1}, policy, server="support").allowed
    assert not decide({"amount": 1}, policy, server="finance").allowed


def test_a_name_that_is_no_identifier_is_typed_like_any_other() -> None:
    assert engine('permit(principal, action == Action::"vcs/git-status", resource);').decide(ask(STATUS, {})).allowed


# ---------------------------------------------------------------- what must deny


@pytest.mark.parametrize("amount", [2**63 - 1, -(2**63), 2**62])
def test_an_overflow_denies(amount: int) -> None:
    condition = "context.input has count && context.input.count * 100 > 5"
    verdict = decide({"amount": 1, "count": amount}, ALL, forbid(condition))
    assert not verdict.allowed and verdict.failure is not None


@pytest.mark.parametrize("value", ["99999999", None, {"a": 1}, [1], True, 2**63, 10**400, 1.5])
def test_a_value_that_a_forbid_reads_and_that_has_another_type_denies(value: Any) -> None:
    verdict = decide({"amount": 1, "count": value}, ALL, forbid("context.input has count && context.input.count > 10"))
    assert not verdict.allowed and verdict.failure is not None


@pytest.mark.parametrize("value", [0.12345, 1e300, 922337203685478, None, "12", float("inf"), 10**400, True])
def test_a_required_value_that_cannot_be_held_denies_where_a_policy_reads_it(value: Any) -> None:
    assert not decide({"amount": value}, SMALL).allowed
    assert not decide({"amount": value}, ALL, forbid('context.input.amount.greaterThan(decimal("5.0"))')).allowed


@pytest.mark.parametrize("value", [0.12345, 1.5, 2.0, 1e2, None, 2**63, "12", {"a": {"b": None}}, [None]])
def test_the_same_value_changes_nothing_where_no_policy_reads_it(value: Any) -> None:
    assert decide({"amount": value, "count": value, "extra": value}, ALL, forbid("context.input has memo")).allowed


def test_a_policy_about_others_does_not_make_an_omitted_value_matter() -> None:
    other = SMALL.replace("permit", "forbid").replace("finance", "other")
    assert decide({"amount": None}, ALL, other).allowed


def test_what_was_left_out_is_named() -> None:
    named = f'permit(principal, {REFUNDS}, resource) when {{ context.input_omitted.contains("to.iban") }};'
    assert decide({"amount": 1, "to": {"iban": 5}}, named).allowed
    assert not decide({"amount": 1, "to": {"iban": "DE1"}}, named).allowed


@pytest.mark.parametrize(
    "value",
    [
        {"__entity": {"type": "User", "id": "corp|alice"}},
        {"__extn": {"fn": "ip", "arg": "10.1.1.1"}},
        {"__expr": "principal"},
    ],
)
def test_an_argument_that_looks_like_a_reference_is_none(value: Any) -> None:
    assert not decide({"amount": value}, SMALL).allowed
    memo = f'permit(principal, {REFUNDS}, resource) when {{ context.input has memo && context.input.memo == "x" }};'
    assert not decide({"amount": 1, "memo": value}, memo).allowed
    assert decide({"amount": 1, "other": value}, ALL).allowed


def test_an_undeclared_argument_is_left_out_and_changes_nothing() -> None:
    assert decide({"amount": 1, "undeclared": "x"}, ALL, SMALL).allowed


@pytest.mark.parametrize(
    "principal",
    [
        Principal(id="corp|a", subject="a", claims={"_claim_names": {"groups": "x"}}),
        Principal(id="corp|a", subject="a", teams=tuple(map(str, range(2000)))),
    ],
)
def test_a_principal_of_whom_not_everything_is_known_is_refused(principal: Principal) -> None:
    verdict = decide({"amount": 1}, ALL, principal=principal)
    assert not verdict.allowed and verdict.failure is not None
    assert engine(ALL).possible(principal, [of(REFUND)]) == [False]


def test_a_tool_that_the_schema_does_not_know_is_refused() -> None:
    verdict = engine(ALL).decide(ask(ToolFacts("payments", "new", {"type": "object"}), {}))
    assert not verdict.allowed and verdict.failure is not None


def test_a_tool_that_is_called_like_the_group_of_its_upstream_is_refused() -> None:
    star = ToolFacts("payments", "*", {"type": "object"})
    asked = engine(ALL, facts=Facts(("payments",), (REFUND, star)))
    verdict = asked.decide(ask(star, {}))
    assert not verdict.allowed and verdict.failure == "the schema does not know this action"
    assert asked.possible(ALICE, [of(star), of(REFUND)]) == [False, True]


# ---------------------------------------------------------------- results


def test_a_result_is_asked_about_where_a_policy_reads_it() -> None:
    policy = forbid("context has output && context.output has ssn")
    asked = engine(ALL, policy)
    assert asked.reads_output(ALICE, of(REFUND)) and not asked.reads_output(ALICE, of(STATUS))
    assert asked.decide(ask(REFUND, {"amount": 1})).allowed
    told = Output({"ssn": "1"}, is_error=False, bytes=9, kinds=("text",))
    assert asked.decide(ask(REFUND, {"amount": 1}, output=told)).policies == ("p1",)
    assert asked.decide(ask(REFUND, {"amount": 1}, output=Output({"rows": 1}, False, 9))).allowed


def test_an_output_of_another_type_is_withheld_where_a_policy_reads_it() -> None:
    asked = engine(ALL, forbid("context has output && context.output has ssn"))
    assert not asked.decide(ask(REFUND, {"amount": 1}, output=Output({"ssn": 5}, False, 9))).allowed


def test_what_can_be_said_of_any_result_can_be_asked_about() -> None:
    large = "context has output_info && context.output_info.bytes > 100"
    policy = f'forbid(principal, action in Action::"call_tool", resource) when {{ {large} }};'
    asked = engine(ALL, policy)
    assert asked.reads_output(ALICE, of(STATUS))
    assert asked.decide(ask(STATUS, {}, output=Output(None, False, 99))).allowed
    assert not asked.decide(ask(STATUS, {}, output=Output(None, False, 101))).allowed


# ---------------------------------------------------------------- audit mode


def test_a_policy_in_audit_mode_only_tells() -> None:
    verdict = decide(
        {"amount": 1}, ALL, '@mode("audit") ' + forbid("true").replace("forbid", '@id("strict") forbid', 1)
    )
    assert verdict.allowed and verdict.would is False and verdict.would_policies == ("strict",)


def test_a_permit_in_audit_mode_permits_nothing() -> None:
    verdict = decide({"amount": 1}, f'@id("new") @mode("audit") {ALL}')
    assert not verdict.allowed and verdict.would is True and verdict.would_policies == ("new",)


# ---------------------------------------------------------------- lists


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["amount", "count", "memo", "urgent", "labels", "to", "other", "__entity", ""])


@given(st.dictionaries(keys, json_values, max_size=6))
@settings(max_examples=500, deadline=None)
def test_no_arguments_make_a_question_that_cannot_be_answered(arguments: dict[str, Any]) -> None:
    verdict = PERMISSIVE.decide(ask(REFUND, arguments))
    assert verdict.allowed and verdict.failure is None


@given(st.dictionaries(keys, json_values, max_size=6))
@settings(max_examples=300, deadline=None)
def test_what_is_not_listed_is_never_allowed(arguments: dict[str, Any]) -> None:
    for each in MIXED:
        allowed = each.decide(ask(REFUND, arguments)).allowed
        assert each.possible(ALICE, [of(REFUND)]) == [True] or not allowed


PERMISSIVE = engine(ALL)
MIXED = [
    engine(SMALL),
    engine(ALL, forbid("context.input has memo")),
    engine(ALL, 'forbid(principal in Team::"finance", action, resource);'),
    engine('permit(principal in Team::"other", action, resource);'),
    engine('permit(principal, action in Action::"vcs/*", resource);'),
]


def test_a_list_holds_what_some_arguments_would_be_permitted_for() -> None:
    asked = engine(SMALL, 'permit(principal, action in Action::"vcs/*", resource) when { resource.destructive };')
    assert asked.possible(ALICE, [of(REFUND), of(STATUS)]) == [True, False]


def test_facts_may_be_empty() -> None:
    assert not engine(ALL, facts=Facts()).decide(ask(REFUND, {})).allowed
