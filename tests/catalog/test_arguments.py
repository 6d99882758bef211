"""Argument transforms: what the agent may send, what the upstream gets, and the way back."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.arguments import UNSET, ArgumentMap, Rule, getter_for
from mcp_gateway.core import strictjson
from mcp_gateway.core.errors import InvalidArguments
from mcp_gateway.core.frozen import freeze
from mcp_gateway.core.principal import ANONYMOUS, Principal

ALICE = Principal(
    "corp|a", "a", issuer="corp", email="a@x.org", claims={"dept": "ops", "a.b": 1, "org": {"unit": {"id": 7}}}
)


def test_renamed_argument_reaches_the_upstream_under_its_own_name() -> None:
    rules = ArgumentMap([Rule("amt", "amount")])
    assert rules.bind({"amount": 5, "memo": "x"}, ANONYMOUS) == {"amt": 5, "memo": "x"}


def test_the_upstreams_name_of_a_renamed_argument_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="'amt'"):
        ArgumentMap([Rule("amt", "amount")]).bind({"amt": 5}, ANONYMOUS)


def test_names_may_be_swapped() -> None:
    rules = ArgumentMap([Rule("a", "b"), Rule("b", "a")])
    assert rules.bind({"a": 1, "b": 2}, ANONYMOUS) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "rule", [Rule("tenant", None, value=1), Rule("tenant", None), Rule("tenant", None, getter=lambda *_: 1)]
)
def test_hidden_arguments_are_refused_whatever_hides_them(rule: Rule) -> None:
    with pytest.raises(InvalidArguments, match="'tenant'"):
        ArgumentMap([rule]).bind({"tenant": 2}, ANONYMOUS)


def test_fixed_values_are_set_null_too() -> None:
    rules = ArgumentMap([Rule("currency", None, value="EUR"), Rule("note", None, value=None)])
    assert rules.bind({"a": 1}, ANONYMOUS) == {"a": 1, "currency": "EUR", "note": None}


def test_default_fills_only_what_is_absent() -> None:
    rules = ArgumentMap([Rule("memo", "memo", default="")])
    assert rules.bind({}, ANONYMOUS) == {"memo": ""}
    assert rules.bind({"memo": None}, ANONYMOUS) == {"memo": None}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("principal.id", "corp|a"),
        ("principal.subject", "a"),
        ("principal.email", "a@x.org"),
        ("principal.issuer", "corp"),
        ("principal.claims.dept", "ops"),
        ("principal.claims.a.b", 1),
        ("principal.claims.org.unit.id", 7),
    ],
)
def test_identity_bindings(source: str, value: object) -> None:
    getter = getter_for(source)
    assert getter is not None
    assert ArgumentMap([Rule("who", None, getter=getter, label=source)]).bind({}, ALICE) == {"who": value}


def test_a_claim_that_is_an_object_or_a_list_is_written_as_the_token_had_it() -> None:
    claims = {"org": {"units": [1, {"a": "b"}]}, "roles": ["x", "y"]}
    principal = Principal("corp|a", "a", claims=cast(Any, freeze(claims)))
    rules = [Rule(name, None, getter=getter_for(f"principal.claims.{name}"), label=name) for name in claims]
    bound = ArgumentMap(rules).bind({}, principal)
    assert bound == claims and strictjson.dumps(bound)


@pytest.mark.parametrize("source", ["principal.email", "principal.issuer", "principal.claims.x.y", "metadata.team"])
def test_a_bound_value_that_the_caller_does_not_have_is_refused_by_name(source: str) -> None:
    with pytest.raises(InvalidArguments, match=f"'who' is filled from {source}"):
        ArgumentMap([Rule("who", None, getter=getter_for(source), label=source)]).bind({}, ANONYMOUS)


def test_a_value_is_bound_to_the_metadata_of_the_request() -> None:
    mapped = ArgumentMap([Rule("who", None, getter=getter_for("metadata.cost.center"), label="metadata.cost.center")])
    assert mapped.bind({}, ANONYMOUS, {"cost.center": "eng", "cost": "x"}) == {"who": "eng"}
    with pytest.raises(InvalidArguments, match="'who' cannot be set"):
        mapped.bind({"who": "me"}, ANONYMOUS, {"cost.center": "eng"})
    with pytest.raises(InvalidArguments, match="'who' is filled from metadata"):
        mapped.bind({}, ANONYMOUS, {"cost": "x"})


@pytest.mark.parametrize("source", ["principal.password", "principal", "metadata", "env.HOME", "principal.claims."])
def test_unknown_sources_have_no_getter(source: str) -> None:
    assert getter_for(source) is None


def test_bind_leaves_the_agents_arguments_alone() -> None:
    sent: dict[str, Any] = {"amount": 5}
    ArgumentMap([Rule("amt", "amount"), Rule("c", None, value=1)]).bind(sent, ANONYMOUS)
    assert sent == {"amount": 5}


NAMES = st.text("abcdefgh", min_size=1, max_size=3)


@st.composite
def rule_sets(draw: st.DrawFn) -> list[Rule]:
    names = draw(st.lists(NAMES, unique=True, max_size=6))
    shown = draw(
        st.lists(st.text("qrstuv", min_size=1, max_size=3), unique=True, min_size=len(names), max_size=len(names))
    )
    rules = []
    for name, other in zip(names, shown, strict=True):
        how = draw(st.sampled_from(["rename", "fixed", "hidden", "default", "plain"]))
        if how == "rename":
            rules.append(Rule(name, other))
        elif how in {"fixed", "hidden"}:
            rules.append(Rule(name, None, value=draw(st.integers()) if how == "fixed" else UNSET))
        else:
            rules.append(Rule(name, name, default=0 if how == "default" else UNSET))
    return rules


@given(rule_sets(), st.data())
def test_unbind_takes_back_what_bind_did_to_names(rules: list[Rule], data: st.DataObject) -> None:
    refused = {rule.name for rule in rules if rule.exposed != rule.name}
    visible = [rule.exposed for rule in rules if rule.exposed is not None]
    keys = st.one_of(NAMES, *([st.sampled_from(visible)] if visible else [])).filter(lambda key: key not in refused)
    sent = data.draw(st.dictionaries(keys, st.integers()))
    mapped = ArgumentMap(rules)
    back = mapped.unbind(mapped.bind(sent, ANONYMOUS))
    defaults = {rule.exposed: rule.default for rule in rules if rule.default is not UNSET}
    assert back == {**defaults, **sent}
    assert {rule.name for rule in rules if rule.value is not UNSET} <= mapped.bind(sent, ANONYMOUS).keys()
