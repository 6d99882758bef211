"""Principals made up from their names."""

from __future__ import annotations

import pytest

from mcp_gateway.core.named import UnknownPrincipal, named
from mcp_gateway.core.principal import ANONYMOUS

CORP = {"corp": "https://login.example.com/"}


def test_a_person_is_of_an_issuer() -> None:
    who = named("corp|a|b", CORP, teams=("x",), scopes=("s",), email="a@b", claims={"dept": ["ops"]})
    assert (who.id, who.subject, who.issuer, who.kind) == ("corp|a|b", "a|b", "https://login.example.com/", "user")
    assert (who.teams, who.scopes, who.email) == (("x",), frozenset({"s"}), "a@b")
    assert who.claims == {"dept": ["ops"]}


def test_an_account_is_of_no_issuer() -> None:
    who = named("virtual_account:ci", CORP, teams=("x",), email="a@b")
    assert (who.subject, who.issuer, who.kind, who.email, who.teams) == ("ci", "", "virtual_account", None, ("x",))


def test_a_member_of_a_team_is_in_that_team_only() -> None:
    who = named("team:finance", CORP)
    assert (who.teams, who.issuer, who.kind) == (("finance",), "https://login.example.com/", "user")
    assert named("anybody", {**CORP, "lab": "https://lab/"}).issuer == ""
    assert named("anybody", CORP).teams == ()


def test_the_anonymous_caller_is_the_one_there_is() -> None:
    assert named("anonymous", CORP) is ANONYMOUS


@pytest.mark.parametrize("name", ["", "alice", "|alice", "corp|", "team:", "virtual_account:", "lab|alice"])
def test_nobody_is_called_otherwise(name: str) -> None:
    with pytest.raises(UnknownPrincipal):
        named(name, CORP)


def test_there_is_nobody_of_a_kind_that_is_not_accepted() -> None:
    with pytest.raises(UnknownPrincipal):
        named("anonymous", CORP, anonymous=False)
    with pytest.raises(UnknownPrincipal):
        named("virtual_account:ci", CORP, accounts=False)
