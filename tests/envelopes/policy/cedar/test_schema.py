"""The schema that policies are validated against."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cedarpy import Schema, validate_policies

from mcp_gateway.envelopes.policy.cedar.model import Facts, PromptFacts, ToolFacts
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema, unspeakable

REFUND: dict[str, Any] = {
    "type": "object",
    "properties": {"amount": {"type": "number"}, "memo": {"type": "string"}, "to": {"type": "array"}},
    "required": ["amount", "to"],
}
CUSTOMER: dict[str, Any] = {"type": "object", "properties": {"ssn": {"type": "string"}}}
FACTS = Facts(
    upstreams=("payments", "crm", "files"),
    tools=(
        ToolFacts("payments", "create_refund", REFUND),
        ToolFacts("payments", "git-status", {"type": "object"}),
        ToolFacts("crm", "get_customer", {"type": "object"}, CUSTOMER),
    ),
    prompts=(
        PromptFacts("crm", "letter", (("name", True),)),
        PromptFacts("crm", "note", (("name", False), ("of", True))),
    ),
    metadata=("environment",),
)

REFUNDS = 'action == Action::"payments/create_refund", resource'
CUSTOMERS = 'action == Action::"crm/get_customer", resource'


def valid(scope: str, condition: str = "true", facts: Facts = FACTS) -> bool:
    schema = Schema.from_json_str(json.dumps(cedar_schema(facts)))
    policy = f"permit (principal, {scope}) when {{ {condition} }};"
    return validate_policies(policy, schema).validation_passed


@pytest.mark.parametrize(
    ("scope", "condition"),
    [
        (REFUNDS, 'context.input.amount.lessThan(decimal("500.0"))'),
        (REFUNDS, 'context.input has memo && context.input.memo like "*urgent*"'),
        (REFUNDS, 'context has output_info && context.output_info.kinds.contains("image")'),
        (REFUNDS, 'resource.destructive && resource.tags.contains("money")'),
        (REFUNDS, 'resource in VirtualServer::"finance" && resource in Upstream::"payments"'),
        (REFUNDS, 'context.metadata has environment && context.metadata.environment == "production"'),
        (REFUNDS, 'context.ip.isInRange(ip("10.0.0.0/8")) && context.now > datetime("2026-01-01")'),
        (REFUNDS, 'context.agent has client_id && context.agent.client_id == "desk"'),
        (REFUNDS, 'context.agent.actors.contains("a") || context.input_omitted.contains("to")'),
        (REFUNDS, 'principal.hasTag("dept") && principal.getTag("dept").contains("ops")'),
        (REFUNDS, 'principal in Team::"finance" && principal.scopes.contains("refunds")'),
        (REFUNDS, "principal has email && principal.email == principal.subject"),
        (REFUNDS, 'principal is VirtualAccount && principal.issuer == ""'),
        (CUSTOMERS, "context has output && context.output has ssn"),
        ('action in Action::"payments/*", resource', "true"),
        ('action in Action::"files/*", resource', "resource.read_only"),
        ('action in Action::"call_tool", resource', "resource.open_world && !resource.idempotent"),
        ('action in Action::"call_tool", resource', "context.input has amount"),
        ('action == Action::"get_prompt", resource is Prompt', 'context.input has of && context.input.of == "x"'),
        ('action == Action::"read_resource", resource == Resource::"file:///a"', "context has output_info"),
        ('action == Action::"complete", resource is Resource', 'context.input.argument == context.input["value"]'),
        ('action == Action::"use_model", resource == Model::"gpt"', "true"),
        ('action == Action::"embed", resource in VirtualServer::"x"', "true"),
        ('action == Action::"payments/git-status", resource', "true"),
    ],
)
def test_policies_read_what_there_is(scope: str, condition: str) -> None:
    assert valid(scope, condition)


@pytest.mark.parametrize(
    ("scope", "condition"),
    [
        (REFUNDS, 'context.input.memo == "x"'),
        (REFUNDS, "context.input.amount < 5"),
        (REFUNDS, 'context.input.to.contains("x")'),
        (REFUNDS, "context.input.nothing"),
        (REFUNDS, 'context.metadata.environment == "production"'),
        (REFUNDS, "context.output_info.is_error"),
        (REFUNDS, "context.output == context.output"),
        (CUSTOMERS, 'context.output.ssn == "1"'),
        ('action in Action::"call_tool", resource', 'context.input.amount.lessThan(decimal("1.0"))'),
        ('action == Action::"get_prompt", resource', 'context.input.name == "x"'),
        ('action == Action::"payments/unknown", resource', "true"),
        ('action in Action::"unknown/*", resource', "true"),
        ('action in Action::"call_tool", resource is Prompt', "true"),
        ("action, resource", "resource.read_only"),
    ],
)
def test_policies_that_read_what_is_not_there_or_may_be_missing_are_wrong(scope: str, condition: str) -> None:
    assert not valid(scope, condition)


def test_a_tool_called_as_its_group_has_no_action_and_is_told() -> None:
    star = ToolFacts("payments", "*", {"type": "object"})
    facts = Facts(("payments",), (star, ToolFacts("payments", "pay", {"type": "object"})))
    assert unspeakable(facts) == (star,)
    assert not valid('action == Action::"payments/*", resource', facts=facts)
    assert not valid('action == Action::"payments/*", resource', facts=Facts((), (star,)))
    assert valid('action == Action::"payments/pay", resource', facts=facts)


def test_there_is_a_schema_without_anything_to_govern() -> None:
    assert valid('action == Action::"read_resource", resource', facts=Facts())


def test_the_same_facts_make_the_same_schema() -> None:
    assert json.dumps(cedar_schema(FACTS)) == json.dumps(cedar_schema(FACTS))
