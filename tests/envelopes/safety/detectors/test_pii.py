"""Personal data: what is known by itself, what by a word, and what only looks like it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.detectors.pii import CATEGORIES, Pii
from mcp_gateway.envelopes.safety.detectors.pii_codes import CODES, codes
from mcp_gateway.envelopes.safety.detectors.pii_context import REACH, SAID, Said
from mcp_gateway.envelopes.safety.detectors.pii_numbers import PLAIN, numbers
from mcp_gateway.envelopes.safety.finding import Finding, no_rest
from mcp_gateway.envelopes.safety.scan import scan
from mcp_gateway.envelopes.safety.text.regex import Gate
from tests.envelopes.safety.support import CALLED, INNOCENT, PERSONAL

_ALL = [(kind, text) for kind, texts in PERSONAL.items() for text in texts]
_CALLED = [(kind, text) for kind, texts in CALLED.items() for text in texts]
_PLACES = ["{}", "text {} text", '{{"key": "{}"}}', "({})", "{}.", "<{}>", "a,{},b", "x\n{}\ny", "key={}", "'{}'"]


@pytest.mark.parametrize(("kind", "text"), _ALL)
@pytest.mark.parametrize("place", _PLACES)
def test_what_is_known_by_itself_is_found_in_any_place(kind: str, text: str, place: str) -> None:
    whole = place.format(text)
    found = [one for one in Pii().find(whole) if whole[one.start : one.end].strip("(") == text.strip("(")]
    assert [one.kind for one in found] == [kind]


@pytest.mark.parametrize(("kind", "text"), _CALLED)
def test_what_is_known_by_a_word_is_found_after_it_only(kind: str, text: str) -> None:
    assert [one.kind for one in Pii().find(text)] == [kind]
    digits = text[next(place for place, one in enumerate(text) if one.isdecimal()) :]
    assert kind not in {one.kind for one in Pii().find(f"value {digits}")}


def test_without_context_a_number_needs_no_word() -> None:
    assert Finding("us_ssn", 6, 15) in Pii.of({"context": False}).find("value 123456789")


def test_a_placeholder_says_nothing_of_what_follows() -> None:
    assert Pii().find("[PHONE] 030 901820 [US_SSN] 123456789") == []


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    assert Pii().find(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "123-00-4567",
        "x4111111111111111",
        "4111111111111111x",
        "41111111111111111111111",
        "4111 1111-1111 1111",
        "DE89 3704 0044 0532 0130 01",
        "XX89370400440532013000",
        "GB123456C",
        "943 176 5917",
        "12345678A",
        "529.982.247-26",
        "2341 2341 2347",
        "RSSMRA85T10A562T",
        "115-555-2671",
        "@example.com",
        "name@",
        "name@host",
        "name@.com",
        "+1",
        "+35236450.6",
    ],
)
def test_what_does_not_hold_is_not_found(text: str) -> None:
    assert Pii().find(text) == []


@given(st.integers(0, 10**14 - 1))
def test_of_numbers_with_the_form_of_a_card_one_in_ten_is_one(number: int) -> None:
    cards = [f"4{number:014}{check}" for check in range(10)]
    found = [card for card in cards if any(one.kind == "credit_card" for one in Pii().find(card))]
    assert len(found) <= 1


@pytest.mark.parametrize("text", ["10.1.2.3", "2001:db8::8a2e:370:7334", "::ffff:10.1.2.3", "fe80::1"])
def test_addresses_of_machines_are_found_where_they_are_asked_for(text: str) -> None:
    assert list(scan(f"from {text}.", [Pii.of({"categories": ["*"]})])) == [Finding("ip_address", 5, 5 + len(text))]
    assert Pii().find(text) == []


def test_only_the_named_categories_are_found() -> None:
    text = "a@example.com 4111111111111111"
    assert Pii.of({"categories": ["email"]}).find(text) == [Finding("email", 0, 13)]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"categories": ["email", "shoe_size"]}, "`categories` may hold: "),
        ({"categories": []}, "`categories` is empty"),
        ({"categories": "email"}, "list of strings"),
        ({"context": "yes"}, "true or false"),
        ({"kinds": []}, "unknown option; known are: categories, context"),
    ],
)
def test_a_configuration_that_says_nothing_is_refused(config: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pii.of(config)


def test_every_category_has_an_example() -> None:
    assert {*PERSONAL, *CALLED, "ip_address"} == set(CATEGORIES)


@given(st.text(alphabet="0123456789 ()+-./@abAB:[]\n", max_size=120))
def test_every_finding_stands_in_the_text(text: str) -> None:
    for one in Pii.of({"categories": ["*"], "context": False}).find(text):
        assert 0 <= one.start < one.end <= len(text)
        assert one.kind in CATEGORIES


_PIECES = [text for _, text in (*_ALL, *_CALLED)] + [
    "ssn",
    "[PHONE]",
    "née le ",
    "ſsn ",
    "+",
    ".",
    "-",
    " ",
    "\n",
    "é",
    "_",
]
_HOSTILE = st.lists(
    st.sampled_from(_PIECES) | st.text("0123456789 .-()/+", max_size=40) | st.text("AZabe019", max_size=20), max_size=6
).map("".join)


@given(_HOSTILE)
def test_the_gate_lets_pass_what_an_expression_matches(text: str) -> None:
    patterns = (SAID, PLAIN, CODES)
    assert set(Gate(patterns).matching(text)) == {at for at, pattern in enumerate(patterns) if pattern.within(text)}


@given(_HOSTILE, st.booleans())
def test_what_is_passed_over_at_a_glance_holds_nothing(text: str, context: bool) -> None:
    straight = [*numbers(text, Said.of(text), no_rest, plain=True, lenient=not context), *codes(text)]
    found = Pii(frozenset(CATEGORIES), context).find(text)
    others = {"email", "date_of_birth", "ip_address"}
    assert [one for one in found if one.kind not in others] == straight


@pytest.mark.parametrize(
    ("word", "number", "kind"),
    [("ssn", "123456789", "us_ssn"), ("born", "September 3, 1985", "date_of_birth"), ("tel", "030 901820", "phone")],
)
def test_a_word_says_something_of_what_begins_within_its_reach(word: str, number: str, kind: str) -> None:
    told = [gap for gap in range(1, 80) if any(one.kind == kind for one in Pii().find(f"{word}{' ' * gap}{number}"))]
    assert told == list(range(1, REACH + 1))
