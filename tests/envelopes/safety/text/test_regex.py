"""Expressions in linear time: what is refused, and places in characters."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.text.regex import Gate, Pattern


@pytest.mark.parametrize("expression", [r"(?=a)b", r"(?<!a)b", r"(a)\1", "(", "a{2000}", "\ud800"])
def test_what_has_no_linear_time_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="linear time"):
        Pattern(expression)


@given(st.text(alphabet="ab1é検\U0001f600", max_size=60))
def test_places_are_in_characters(text: str) -> None:
    assert list(Pattern("[a-z]+é?").spans(text)) == [match.span() for match in re.finditer("[a-z]+é?", text)]


@given(st.text(alphabet="ab1é検", max_size=60))
def test_of_groups_the_first_that_is_there_is_told(text: str) -> None:
    told = [(match.lastindex, *match.span(match.lastindex or 0)) for match in re.finditer("(a+)|(b1)|(é)", text)]
    assert list(Pattern("(a+)|(b1)|(é)").groups(text)) == told


def test_a_group_that_is_not_there_has_no_place() -> None:
    assert list(Pattern("a(b)?").spans("aab", 1)) == [(2, 3)]


def test_a_gate_tells_which_expressions_match() -> None:
    gate = Gate([Pattern("abc"), Pattern("X", ignore_case=True), Pattern("zz")])
    assert sorted(gate.matching("éabcx")) == [0, 1]
    assert list(gate.matching("none")) == []


def test_an_expression_that_backtracks_elsewhere_takes_no_time_here() -> None:
    assert not Pattern("(a+)+$b").within("a" * 100_000)


@given(st.text(alphabet="ab=é検 ", max_size=60))
def test_matches_that_grow_are_those_of_the_whole_expression(text: str) -> None:
    def grow(end: int) -> int:
        match = re.compile("[ab検]{0,3}").match(text, end)
        return end if match is None else match.end()

    assert list(Pattern("[aé]*=[ab検]{2}").grown(text, grow)) == list(Pattern("[aé]*=[ab検]{2,5}").spans(text))
