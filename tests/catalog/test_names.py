"""Exposed names: valid, unique, the same every time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.names import fit

VALID = re.compile(r"[A-Za-z0-9_./-]{1,64}\Z")


@pytest.mark.parametrize("name", ["a", "query_ledger", "a.b/c-d", "x" * 64])
def test_a_name_that_fits_is_kept(name: str) -> None:
    assert fit(name, "up/whatever") == name


def test_a_long_name_is_cut_and_marked() -> None:
    assert re.fullmatch(r"x{55}_[0-9a-f]{8}", fit("x" * 65, "up/tool"))


def test_other_characters_become_underscores() -> None:
    assert re.fullmatch(r"get_the_weather___[0-9a-f]{8}", fit("get the weather ☀", "up/tool"))


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_are_valid_and_stay_apart(one: str, other: str) -> None:
    first, second = fit(one, f"up/{one}"), fit(other, f"up/{other}")
    assert VALID.match(first)
    assert (first == second) == (one == other)
    assert fit(one, f"up/{one}") == first
