"""What is recorded of who asked, and how often."""

from __future__ import annotations

from dataclasses import replace

import orjson

from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.observability.identities import (
    MAX_CLAIM,
    MAX_REMEMBERED,
    REMIND_SECONDS,
    IdentityFacts,
    Introduced,
)

CLAIMS = {"dept": ["ops"], "phone": "+1 555", "jti": "one-of-a-kind", "exp": 17, "long": "x" * MAX_CLAIM}
ALICE = Principal(
    id="corp|alice",
    subject="alice",
    issuer="https://login/",
    teams=("b", "a"),
    claims=CLAIMS,
    token=Secret("bearer-token"),
)


def test_only_claims_that_policies_read_are_recorded() -> None:
    facts = IdentityFacts.of(ALICE, frozenset({"dept", "jti", "long", "absent"})).facts
    assert facts["claims"] == {"dept": ["ops"]}
    assert facts["claims_not_recorded"] == ["exp", "jti", "long", "phone"]
    assert "555" not in str(facts) and "one-of-a-kind" not in str(facts) and "bearer-token" not in str(facts)


def test_another_token_of_the_same_person_is_the_same_identity() -> None:
    again = replace(ALICE, claims={**CLAIMS, "jti": "another", "exp": 18})
    read = frozenset({"dept"})
    assert IdentityFacts.of(ALICE, read).digest == IdentityFacts.of(again, read).digest
    for other in (replace(ALICE, teams=("b",)), replace(ALICE, client_id="agent"), replace(ALICE, email="a@b")):
        assert IdentityFacts.of(other, read).digest != IdentityFacts.of(ALICE, read).digest


def test_a_name_that_is_no_text_can_be_recorded_all_the_same() -> None:
    facts = IdentityFacts.of(replace(ALICE, subject="\ud800\x9b2J", claims={"\ud800": 1}), frozenset({"dept"}))
    assert orjson.loads(orjson.dumps(facts.facts))["subject"] == "\\ud800\\x9b2J"


def test_an_identity_is_written_once_and_again_after_a_while() -> None:
    now = 0.0
    introduced = Introduced(lambda: now)
    assert [introduced.due("a"), introduced.due("a"), introduced.due("b")] == [True, False, True]
    now = REMIND_SECONDS
    assert [introduced.due("a"), introduced.due("a")] == [True, False]


def test_what_is_remembered_is_bounded() -> None:
    introduced = Introduced(lambda: 0.0)
    for number in range(MAX_REMEMBERED + 1):
        introduced.due(str(number))
    assert introduced.due("0") and not introduced.due(str(MAX_REMEMBERED))
