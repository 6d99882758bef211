"""Policies held against what there is."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.envelopes.policy.cedar.check import check
from mcp_gateway.envelopes.policy.cedar.model import Facts, Source, ToolFacts
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies


def tool(
    upstream: str, name: str, properties: dict[str, Any], *required: str, output: dict[str, Any] | None = None
) -> ToolFacts:
    given = {"type": "object", "properties": properties, "required": list(required)}
    return ToolFacts(upstream, name, given, output)


FACTS = Facts(
    upstreams=("down", "git", "pay"),
    tools=(
        tool(
            "pay",
            "refund",
            {"amount": {"type": "number"}, "count": {"type": "integer"}, "memo": {"type": "string"}},
            "amount",
            output={"type": "object", "properties": {"ssn": {"type": "string"}}},
        ),
        tool("pay", "list", {"query": {"type": "string"}}),
        tool("git", "log", {"count": {"type": "integer"}}),
    ),
    metadata=("environment",),
)
REFUND = 'action == Action::"pay/refund"'


def remarks(*policies: str) -> list[str]:
    text = read_policies([Source("a.cedar", "\n".join(f'@id("p{n}") {p};' for n, p in enumerate(policies)))])
    assert not [each for each in text.remarks if each.severity == "error"]
    return [str(each) for each in check(text, FACTS, ("office",))]


def rules(*policies: str) -> list[tuple[str, str]]:
    text = read_policies([Source("a.cedar", "\n".join(f'@id("p{n}") {p};' for n, p in enumerate(policies)))])
    return [(each.policy, each.rule) for each in check(text, FACTS, ("office",))]


def refund(condition: str, effect: str = "permit") -> str:
    return f"{effect} (principal, {REFUND}, resource)\nwhen {{ {condition} }}"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            'permit (principal, action == Action::"pay/refnd", resource)',
            '1:48: error: there is no Action::"pay/refnd"; did you mean `pay/refund`? [unknown-action]',
        ),
        (
            'permit (principal, action in Action::"paay/*", resource)',
            '1:48: error: there is no Action::"paay/*"; did you mean `pay/*`? [unknown-action]',
        ),
        (
            'permit (principal, action == Action::"down/it", resource)',
            "1:48: warning: the tools of the upstream `down` are not known, "
            'Action::"down/it" was not checked [unreached-action]',
        ),
        (
            refund('context.input.amuont == decimal("1.0")'),
            '2:22: error: `context.input.amuont` is no attribute of the context of Action::"pay/refund"; '
            "did you mean `amount`? [unknown-attribute]",
        ),
        (
            refund("resource.destructiv"),
            "2:17: error: `Tool` has no attribute `destructiv`; did you mean `destructive`? [unknown-attribute]",
        ),
        (
            refund("context.input.count > 3"),
            "2:22: error: `context.input.count` may be absent: "
            "write `context.input has count && …` before it is read [unguarded-optional]",
        ),
        (
            refund('principal.email == "x"'),
            "2:18: error: `principal.email` may be absent: "
            "write `principal has email && …` before it is read [unguarded-optional]",
        ),
        (
            refund('context.output.ssn == "x"'),
            "2:16: error: `context.output` may be absent: "
            "write `context has output && …` before it is read [unguarded-optional]",
        ),
        (
            refund('principal.getTag("dept").contains("x")'),
            '2:25: error: the tag "dept" may be absent: write `.hasTag("dept") && …` before it is read '
            "[unguarded-optional]",
        ),
        (
            f'permit (principal in Tem::"x", {REFUND}, resource)',
            "1:32: error: there is no entity type `Tem`; did you mean `Team`? [unknown-type]",
        ),
        (
            refund("context.input.amount > 3"),
            "1:1: error: unexpected type: expected Long but saw decimal [type]",
        ),
        (
            f'permit (principal in Upstream::"pay", {REFUND}, resource)',
            "1:1: error: it never applies: no action is called by such a principal on such a resource [never-applies]",
        ),
        (
            f'permit (principal, {REFUND}, resource == Tool::"git/log")',
            '1:1: error: it never applies: none of its actions acts upon Tool::"git/log" [never-applies]',
        ),
        (
            refund('resource in Team::"x"'),
            "1:1: error: its condition is never true for any action that it is about [never-applies]",
        ),
        (
            refund("resource.read_only && !resource.read_only"),
            "1:1: error: its condition is never true: it demands a thing and its opposite [never-applies]",
        ),
        (
            refund("context.input has count && context.input.count * 2 > 3"),
            "2:49: warning: `*` on `context.input.count` overflows for large values, and the call is denied: "
            "compare the value itself with a constant [overflow]",
        ),
        (
            f'forbid (principal, {REFUND}, resource in VirtualServer::"ofice")',
            '1:89: warning: there is no VirtualServer::"ofice"; did you mean `office`? [unknown-entity]',
        ),
        (
            'forbid (principal, action, resource == Tool::"git/lgo")',
            '1:56: warning: there is no Tool::"git/lgo"; did you mean `git/log`? [unknown-entity]',
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(policy: str, expected: str) -> None:
    assert remarks(policy) == [f"a.cedar:{expected}"]


@pytest.mark.parametrize(
    "policy",
    [
        refund("context.input has count && context.input.count > 3"),
        refund("context has output && context.output has ssn", "forbid"),
        refund('context.input.amount.lessThan(decimal("5.0"))'),
        'permit (principal in Team::"anyone", action in Action::"down/*", resource in Upstream::"down")',
        'permit (principal == User::"corp|alice", action in Action::"call_tool", resource in VirtualServer::"office")',
        'permit (principal, action == Action::"read_resource", resource == Resource::"file:///a")',
        'forbid (principal, action in Action::"call_tool", resource) '
        'when { context.metadata has environment && context.metadata.environment == "production" }',
        'permit (principal, action in [Action::"git/log", Action::"pay/list"], resource == Tool::"git/log")',
    ],
)
def test_good_policies_pass_without_a_word(policy: str) -> None:
    assert remarks(policy) == []


def test_one_mistake_is_told_once_for_all_the_actions_of_a_group() -> None:
    found = remarks('permit (principal, action in Action::"call_tool", resource) when { context.metadata.env == "x" }')
    assert len(found) == 1


def test_a_permit_under_a_forbid_permits_nothing() -> None:
    wide = 'forbid (principal, action in Action::"pay/*", resource)'
    assert rules(wide, refund("resource.read_only")) == [("p1", "shadowed")]
    assert rules('forbid (principal, action in Action::"git/*", resource)', refund("resource.read_only")) == []
    assert rules(wide + " when { resource.destructive }", refund("resource.read_only")) == []


def test_a_forbid_in_audit_mode_shadows_nothing() -> None:
    text = read_policies(
        [
            Source(
                "a.cedar",
                '@id("f") @mode("audit") forbid (principal, action, resource);'
                f'@id("p") permit (principal, {REFUND}, resource);',
            )
        ]
    )
    assert check(text, FACTS, ()) == []


def test_a_permit_that_another_makes_needless() -> None:
    wide = f"permit (principal, {REFUND}, resource)"
    assert rules(wide, refund("resource.read_only")) == [("p1", "shadowed")]
    assert rules(f'permit (principal in Team::"a", {REFUND}, resource)', refund("resource.read_only")) == []


def test_a_copy_is_told_and_names_the_first() -> None:
    (found,) = remarks(refund("resource.read_only"), refund("resource.read_only"))
    assert found == "a.cedar:3:1: warning: it says the same as `p0` at a.cedar:1 [shadowed]"


def test_a_forbid_that_leaving_an_argument_out_goes_past() -> None:
    guarded = refund("context.input has count && context.input.count > 3", "forbid")
    assert rules(guarded) == [("p0", "absent-input")]
    assert rules(refund('context.input has amount && context.input.amount == decimal("1.0")', "forbid")) == []
    assert rules(guarded, f"forbid (principal, {REFUND}, resource) unless {{ context.input has count }}") == []
    assert rules(guarded.replace("forbid", "permit")) == []


def test_no_policies_are_no_mistake() -> None:
    assert check(read_policies([]), FACTS, ()) == []
