"""Patterns of admins: the whole text, in linear time, or refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.linear import MAX_PATTERN, full_match


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("[A-Z]+-[0-9]+", "OPS-1", True),
        ("[A-Z]+-[0-9]+", "OPS-1 ", False),
        ("[A-Z]+-[0-9]+", "xOPS-1", False),
        ("[A-Z]+-[0-9]+", "OPS-1\n", False),
        ("^a$", "a", True),
        ("a|ab", "ab", True),
        ("a|b", "ab", False),
        (r"\p{Greek}+", "λόγος", True),
        ("", "", True),
        ("", "a", False),
        ("(a|a)*b", "a" * 100_000, False),
    ],
)
def test_a_pattern_is_about_the_whole_text(pattern: str, text: str, fits: bool) -> None:
    assert full_match(pattern)(text) is fits


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "missing"),
        ("(?=a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a{1001}", "invalid repetition size"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        ("x" * (MAX_PATTERN + 1), "longer than"),
    ],
)
def test_what_is_no_pattern_or_could_take_long_is_refused(
    pattern: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=words):
        full_match(pattern)
    assert capfd.readouterr() == ("", "")


@given(st.text(st.sampled_from("ab-"), max_size=8), st.sampled_from(["a+", "(ab)*-?", "[a-b]{2,3}", "a.b|-", "a?b?-*"]))
def test_the_answer_is_that_of_another_engine(text: str, pattern: str) -> None:
    assert full_match(pattern)(text) is (re.fullmatch(pattern, text) is not None)
