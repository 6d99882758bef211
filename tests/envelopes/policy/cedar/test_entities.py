"""Who asks and what is acted upon, as Cedar reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cedarpy import Entities, PolicySet, is_authorized
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.policy.cedar.entities import (
    MAX_TAG_VALUES,
    MAX_TAGS,
    MAX_TEAMS,
    IncompleteIdentity,
    entities_text,
    principal_entity,
    principal_uid,
)
from mcp_gateway.envelopes.policy.cedar.model import READ_RESOURCE, Subject, ToolFacts, Uid

ALICE = Principal(id="corp|alice", subject="alice", issuer="https://login.example.com", teams=("finance",))
FACTS = ToolFacts("payments", "create_refund", {"type": "object"}, read_only=False, destructive=True)
TOOL = Subject(FACTS.action, FACTS.uid, "payments", "support", FACTS)


def allowed(principal: Principal, policy: str, subject: Subject = TOOL) -> bool:
    request = {
        "principal": principal_uid(principal).json(),
        "action": {"type": "Action", "id": subject.action},
        "resource": subject.resource.json(),
    }
    entities = Entities.from_json_str(entities_text(principal, [subject]))
    answer = is_authorized(request, PolicySet.from_str(policy), entities)
    assert not answer.diagnostics.errors
    return answer.allowed


@pytest.mark.parametrize(
    ("principal", "uid"),
    [
        (ALICE, Uid("User", "corp|alice")),
        (ANONYMOUS, Uid("User", "anonymous")),
        (Principal(id="virtual_account:ci", subject="ci", kind="virtual_account"), Uid("VirtualAccount", "ci")),
    ],
)
def test_people_and_accounts_have_the_ids_that_policies_are_written_with(principal: Principal, uid: Uid) -> None:
    assert principal_uid(principal) == uid
    assert allowed(principal, f'permit(principal == {uid.type}::"{uid.id}", action, resource);')


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ('principal in Team::"finance", action, resource', True),
        ('principal in Team::"other", action, resource', False),
        ('principal, action == Action::"payments/create_refund", resource', True),
        ('principal, action in Action::"payments/*", resource', True),
        ('principal, action in Action::"call_tool", resource', True),
        ('principal, action in Action::"ledger/*", resource', False),
        ('principal, action, resource == Tool::"payments/create_refund"', True),
        ('principal, action, resource in Upstream::"payments"', True),
        ('principal, action, resource in VirtualServer::"support"', True),
        ('principal, action, resource in VirtualServer::"finance"', False),
    ],
)
def test_a_tool_is_in_its_upstream_in_the_server_addressed_and_its_action_in_its_groups(
    scope: str, expected: bool
) -> None:
    assert allowed(ALICE, f"permit({scope});") is expected


def test_a_resource_is_no_tool() -> None:
    subject = Subject(READ_RESOURCE, Uid("Resource", "file:///a"), "files", "docs")
    assert allowed(
        ALICE, 'permit(principal, action == Action::"read_resource", resource in Upstream::"files");', subject
    )
    assert not allowed(ALICE, 'permit(principal, action in Action::"call_tool", resource);', subject)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("ops", ["ops"]),
        (["a", "b"], ["a", "b"]),
        (True, ["true"]),
        (7, ["7"]),
        (["a", 1, None, {"b": 2}], ["a", "1"]),
    ],
)
def test_a_claim_is_a_tag_and_a_scalar_a_set_of_one(claim: Any, words: list[str]) -> None:
    principal = Principal(id="corp|a", subject="a", claims={"dept": claim})
    for word in words:
        test = f'principal.hasTag("dept") && principal.getTag("dept").contains("{word}")'
        assert allowed(principal, f"permit(principal, action, resource) when {{ {test} }};")
    assert principal_entity(principal)["tags"] == {"dept": words}


@pytest.mark.parametrize("claim", [None, {"a": 1}])
def test_a_claim_that_is_no_word_is_no_tag(claim: Any) -> None:
    assert principal_entity(Principal(id="corp|a", subject="a", claims={"dept": claim}))["tags"] == {}


@pytest.mark.parametrize(
    "principal",
    [
        Principal(id="corp|a", subject="a", claims={"_claim_names": {"groups": "src1"}}),
        Principal(id="corp|a", subject="a", teams=tuple(map(str, range(MAX_TEAMS + 1)))),
        Principal(id="corp|a", subject="a", claims={str(n): "x" for n in range(MAX_TAGS + 1)}),
        Principal(id="corp|a", subject="a", claims={"roles": ["x"] * (MAX_TAG_VALUES + 1)}),
    ],
    ids=["groups elsewhere", "too many teams", "too many claims", "too many values"],
)
def test_a_principal_of_whom_not_everything_is_known_is_none(principal: Principal) -> None:
    with pytest.raises(IncompleteIdentity):
        entities_text(principal, [TOOL])


odd = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(odd, odd, odd, st.dictionaries(odd, st.lists(odd, max_size=3), max_size=3))
def test_whatever_a_token_says_stays_a_string(
    subject: str, team: str, email: str, claims: dict[str, list[str]]
) -> None:
    """Ids that look like Cedar, quotes, escapes, NUL: an id is compared whole and never read."""
    principal = Principal(id=f"corp|{subject}", subject=subject, email=email, teams=(team,), claims=dict(claims))
    entities = Entities.from_json_str(entities_text(principal, [TOOL]))
    assert len(entities) == 3
    request = {
        "principal": {"type": "User", "id": f"corp|{subject}"},
        "action": {"type": "Action", "id": TOOL.action},
        "resource": TOOL.resource.json(),
    }
    members = PolicySet.from_json_str(
        json.dumps(
            {
                "staticPolicies": {
                    "p": {
                        "effect": "permit",
                        "principal": {"op": "in", "entity": {"type": "Team", "id": team}},
                        "action": {"op": "All"},
                        "resource": {"op": "All"},
                        "conditions": [],
                    }
                },
                "templates": {},
                "templateLinks": [],
            }
        )
    )
    assert is_authorized(request, members, entities).allowed


@pytest.mark.parametrize("key", ["__entity", "__extn", "__expr"])
def test_a_claim_named_like_an_escape_is_a_tag(key: str) -> None:
    principal = Principal(id="corp|a", subject="a", claims={key: ["User", "root"]})
    test = f'principal.hasTag("{key}") && principal.getTag("{key}").contains("root")'
    assert allowed(principal, f"permit(principal, action, resource) when {{ {test} }};")
    assert not allowed(principal, 'permit(principal == User::"root", action, resource);')
