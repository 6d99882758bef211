"""From claims to the principal: exact, and refused where a guess would be needed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.claims import ReadClaims, audiences
from mcp_gateway.envelopes.identity.verified import TokenRefused
from mcp_gateway.settings.identity import IssuerSettings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reader(**changes: object) -> ReadClaims:
    return ReadClaims(IssuerSettings.model_validate({"name": "corp", "issuer": "https://idp.test/", **changes}))


def read(given: Mapping[str, object], /, **changes: object) -> Principal:
    return reader(**changes)({"sub": "alice", **given}, "token")


@pytest.mark.parametrize(
    ("claims", "teams"),
    [
        ({}, ()),
        ({"groups": []}, ()),
        ({"groups": "finance team, north"}, ("finance team, north",)),
        ({"groups": ["b", "a", "b"]}, ("b", "a")),
        ({"groups": ['"', "\\u{61}", "ä", "a|b"]}, ('"', "\\u{61}", "ä", "a|b")),
        ({"_claim_names": {"address": "src1"}, "groups": ["a"]}, ("a",)),
        ({"hasgroups": False}, ()),
    ],
)
def test_groups_are_a_list_or_one(claims: dict[str, object], teams: tuple[str, ...]) -> None:
    assert read(claims).teams == teams
    assert read(claims, groups_prefix="corp:").teams == tuple("corp:" + team for team in teams)


@pytest.mark.parametrize(
    "claims",
    [
        {"_claim_names": {"roles": "src1"}},
        {"_claim_names": {"groups": "s"}},
        {"_claim_names": "groups"},
        {"hasgroups": "true"},
    ],
)
def test_groups_that_did_not_fit_are_not_taken_for_none(claims: dict[str, object]) -> None:
    with pytest.raises(TokenRefused, match="groups_overage"):
        read(claims, claims={"groups": "roles"})


def test_a_claim_is_found_by_its_name_or_by_a_path() -> None:
    claims = {"realm_access": {"roles": ["r"]}, "https://x.test/mail": "a@b.c", "a.b": "s1 s2"}
    names = {"groups": "realm_access.roles", "email": "https://x.test/mail", "scope": "a.b"}
    principal = read(claims, claims=names)
    assert (principal.teams, principal.email, principal.scopes) == (("r",), "a@b.c", frozenset({"s1", "s2"}))


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b  c"}, {"a", "b", "c"}),
        ({"scope": ["a", "b"]}, {"a", "b"}),
        ({"scp": "a b"}, {"a", "b"}),
        ({"scp": ["a"]}, {"a"}),
        ({"scope": "a", "scp": "b"}, {"a"}),
        ({}, set()),
        ({"scope": ""}, set()),
    ],
)
def test_scopes_are_text_or_a_list(claims: dict[str, object], scopes: set[str]) -> None:
    assert read(claims).scopes == scopes


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "a@b.c"}, "a@b.c"),
        ({"email": "a@b.c", "email_verified": True}, "a@b.c"),
        ({"email": "a@b.c", "email_verified": False}, None),
        ({"email": "a@b.c", "email_verified": "false"}, None),
        ({"email": "a@b.c\n"}, None),
        ({"email": ""}, None),
        ({"email": ["a@b.c"]}, None),
        ({}, None),
    ],
)
def test_an_address_is_one_that_the_issuer_stands_for(claims: dict[str, object], email: str | None) -> None:
    assert read(claims).email == email


def test_the_agent_is_the_client_or_the_authorized_party() -> None:
    assert read({"client_id": "a", "azp": "b"}).client_id == "a"
    assert read({"azp": "b"}).client_id == "b"
    assert read({}).client_id is None
    with pytest.raises(TokenRefused, match="bad_azp"):
        read({"azp": "a\0b"})


def test_actors_come_in_the_order_in_which_they_act() -> None:
    act = {"sub": "now", "act": {"client_id": "before", "act": {"sub": "first"}}}
    assert read({"act": act}).actors == ("now", "before", "first")


def test_nobody_can_change_what_a_token_said() -> None:
    given: dict[str, Any] = {"sub": "alice", "list": [{"a": [1]}], "object": {"b": {}}}
    principal = reader()(given, "t")
    given["list"][0]["a"].append(2)
    assert principal.claims["list"] == (MappingProxyType({"a": (1,)}),)
    with pytest.raises(TypeError):
        cast(Any, principal.claims)["sub"] = "root"
    with pytest.raises(TypeError):
        cast(Any, principal.claims["object"])["b"] = 1


@given(st.dictionaries(st.sampled_from(
    ["sub", "aud", "groups", "scope", "scp", "email", "email_verified", "act", "azp", "client_id", "_claim_names"]
), JSON))  # fmt: skip
def test_whatever_the_claims_are_they_make_a_sound_principal_or_none(claims: dict[str, object]) -> None:
    try:
        principal = reader()({"sub": "s", **claims}, "t")
    except TokenRefused as refused:
        assert refused.reason.replace("_", "").isalpha()
        return
    assert principal.id == f"corp|{principal.subject}" and "\0" not in principal.binding
    assert all(isinstance(one, str) for one in (*principal.teams, *principal.scopes, *principal.actors))
    assert hash(principal.teams) is not None


@given(JSON)
def test_audiences_are_texts_or_nothing(aud: object) -> None:
    try:
        found = audiences({"aud": aud})
    except TokenRefused:
        return
    assert found and found == frozenset([aud] if isinstance(aud, str) else cast(list[str], aud))
