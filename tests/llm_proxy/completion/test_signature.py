"""Whose proof a signature is."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.signature import Family, mark, marked, own

FAMILIES: tuple[Family, ...] = get_args(Family)


@given(st.text(min_size=1), st.sampled_from(FAMILIES), st.sampled_from(FAMILIES))
def test_only_the_family_that_gave_it_gets_it_back(signature: str, giver: Family, asker: Family) -> None:
    seen = mark(giver, signature)
    assert marked(seen)
    assert own(asker, seen) == (signature if asker == giver else "")


@pytest.mark.parametrize("family", FAMILIES)
def test_no_signature_stays_none(family: Family) -> None:
    assert mark(family, "") == own(family, "") == ""
    assert not marked("")


def test_one_without_a_mark_belongs_to_none_of_them() -> None:
    assert not marked("EqQBCg")
    assert all(own(family, "EqQBCg") == "" for family in FAMILIES)
