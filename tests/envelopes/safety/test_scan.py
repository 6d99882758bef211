"""Scanning: places in the given text, merging, and redaction that is done once."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest
from mcp_gateway.envelopes.safety.scan import placeholder, redact, scan


@dataclass(frozen=True, slots=True)
class _Word:
    """Finds what an expression of Python's matches."""

    kind: str
    expression: str
    name: str = "word"
    longest: int = 64

    def find(self, text: str, rest: Rest = no_rest) -> list[Finding]:
        return [Finding(self.kind, *match.span()) for match in re.finditer(self.expression, text)]


_SECRET = _Word("secret", "secret")


def _redacted(text: str, *detectors: _Word) -> str:
    return redact(text, scan(text, detectors))


def test_a_text_without_findings_is_returned_itself() -> None:
    text = "nothing to see"
    assert redact(text, scan(text, [_SECRET])) is text


def test_findings_are_in_order_and_overlaps_are_one() -> None:
    found = scan("abcdef abcdef", [_Word("short", "bc"), _Word("long", "cdef"), _Word("late", r"a(?=b)")])
    assert found == ([Finding("late", 0, 1), Finding("long", 1, 6), Finding("late", 7, 8), Finding("long", 8, 13)])


def test_what_comes_to_light_by_redaction_is_redacted_with_it() -> None:
    # The second is one only where no letter stands before it.
    word = _Word("number", r"(?<![a-z0-9])\d{4}")
    text = "12345678"
    assert _redacted(text, word) == "[NUMBER][NUMBER]"
    assert scan(_redacted(text, word), [word]) == ()


def test_a_detector_that_matches_everything_ends() -> None:
    assert _redacted("any text", _Word("all", ".")) == "[ALL]" * 8


def test_zero_width_characters_within_are_redacted_with_it() -> None:
    assert _redacted("a s\u200be\u200bcret b", _SECRET) == "a [SECRET] b"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (r'{"a":"x\nsecret"}', r'{"a":"x\n[SECRET]"}'),
        (r'{"a":"x\u0073ecret"}', r'{"a":"x[SECRET]"}'),
        (r'{"a":"secre\u0074\n"}', r'{"a":"[SECRET]\n"}'),
    ],
)
def test_an_escape_is_never_cut(text: str, redacted: str) -> None:
    assert _redacted(text, _SECRET) == redacted


def test_a_match_that_begins_within_an_escape_takes_the_escape_with_it() -> None:
    assert _redacted(r"x\name y", _Word("word", "name")) == "x[WORD] y"


def test_half_of_a_pair_moves_no_place() -> None:
    assert _redacted("\ud83d\ude00\ud800 secret \udfff", _SECRET) == "\ud83d\ude00\ud800 [SECRET] \udfff"


def test_a_placeholder_needs_no_escape() -> None:
    assert placeholder(Finding("us_ssn", 0, 1)) == "[US_SSN]"


@given(st.lists(st.sampled_from(["secret", "se", "cret", " ", "\u200b", "ѕ", "%73", "\\u0073", "é", "x"]), max_size=20))
def test_redaction_is_idempotent_and_leaves_no_match(pieces: list[str]) -> None:
    text = "".join(pieces)
    once = _redacted(text, _SECRET)
    assert "secret" not in once
    assert _redacted(once, _SECRET) == once
