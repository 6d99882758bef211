"""A detector over the texts of a message: what it finds, what it takes out, and where it can take out nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.content import PASSED, Carrier
from mcp_gateway.envelopes.safety.detectors.regex import Regex
from mcp_gateway.envelopes.safety.detectors.sql import Sql
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.finding import Detector
from mcp_gateway.envelopes.safety.lines import LONG
from tests.envelopes.safety.content import Texts

MAIL = "alice@example.com"
MAILS = Regex.of({"presets": ["email"]})


def left(detector: Detector, content: Texts, only: frozenset[str] = frozenset()) -> Sequence[str] | None:
    """The texts without what is found; None where it cannot be taken out."""
    examined = ExamineTexts(detector, only=only)(content, rewrite=True)
    if not examined.denied:
        return content.texts
    return None if examined.content is None else [carrier.text for carrier in examined.content.carriers]


def test_what_is_found_is_counted_and_taken_out_everywhere() -> None:
    content = Texts.of(f"to {MAIL}", "plain", f"{MAIL}, {MAIL}")
    examined = ExamineTexts(MAILS)(content, rewrite=True)
    assert examined.findings == {"email": 3}
    assert left(MAILS, content) == ["to [EMAIL]", "plain", "[EMAIL], [EMAIL]"]


def test_without_leave_to_rewrite_nothing_is() -> None:
    examined = ExamineTexts(MAILS)(Texts.of(MAIL), rewrite=False)
    assert examined.denied and examined.content is None


def test_a_message_in_which_nothing_is_found_passes() -> None:
    assert ExamineTexts(MAILS)(Texts.of("plain", ""), rewrite=True) == PASSED


def test_a_finding_in_a_fixed_text_can_not_be_taken_out() -> None:
    assert left(MAILS, Texts([Carrier(MAIL), Carrier(MAIL, fixed=True)])) is None


def test_a_detector_may_have_labels_of_its_own() -> None:
    own = Regex.of({"custom_patterns": [{"pattern": "[0-9]+", "redaction_text": "(number)"}]})
    assert left(own, Texts.of("a 12 b")) == ["a (number) b"]


def test_a_detector_may_be_about_texts_of_some_names_only() -> None:
    content = Texts([Carrier(MAIL, "to"), Carrier(MAIL, "from")])
    assert left(MAILS, content, frozenset({"to"})) == ["[EMAIL]", MAIL]


@pytest.mark.parametrize(
    ("statement", "what_is_left"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1 -- why not", ["SELECT 1  "]),
        ("DROP TABLE t", None),
        ("DROP TABLE t -- why not", None),
    ],
)
def test_a_text_that_is_judged_as_a_whole_is_bettered_or_refused(statement: str, what_is_left: list[str]) -> None:
    assert left(Sql.of({"dialect": "postgres"}), Texts.of(statement)) == what_is_left


@given(st.lists(st.text(max_size=20) | st.just(f"x {MAIL}"), max_size=6))
def test_what_was_taken_out_is_not_found_again(texts: list[str]) -> None:
    once = left(MAILS, Texts.of(*texts))
    assert once is not None
    assert not ExamineTexts(MAILS)(Texts.of(*once), rewrite=True).denied


def test_a_long_text_is_gone_through_to_its_end() -> None:
    text = "word " * (LONG // 5) + MAIL + " word" * LONG
    (only,) = left(MAILS, Texts.of(text)) or ()
    assert only == text.replace(MAIL, "[EMAIL]")


def test_a_text_that_is_too_short_to_hold_anything_is_passed_over_unless_it_may_stand_for_more() -> None:
    word = Regex.of({"custom_patterns": [{"pattern": "[a-z]+", "redaction_text": "(1)"}]})
    content = Texts.of("abc", "abcdef", "\ufb03")  # the ligature is three letters to who reads it
    examined = ExamineTexts(word, shortest=4)(content, rewrite=True)
    assert examined.content is not None
    assert [carrier.text for carrier in examined.content.carriers] == ["abc", "(1)", "(1)"]


def test_of_a_list_of_persons_without_end_the_rest_is_taken_out_as_one() -> None:
    (only,) = left(MAILS, Texts.of(f"{MAIL} " * 12_000)) or ()
    assert MAIL not in only
    assert 9_000 < only.count("[EMAIL]") < 12_000
