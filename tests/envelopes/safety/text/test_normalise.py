"""Normalising: what looks the same reads the same, and every place leads back."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.text.normalise import normalise

_ALL = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def test_a_text_in_ascii_is_returned_itself() -> None:
    text = "plain ASCII text, 123"
    assert normalise(text).text is text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("４１１１　１１１１", "4111 1111"),
        ("s\u200be\u200dc\u2060r\u00ade\ufefft", "secret"),
        ("\u202eright\u202c", "right"),
        ("sесrеt", "secret"),
        ("ѕесrеt@ехаmрlе.сом", "secret@example.com"),
        ("Ρаssword", "Password"),
        ("𝒔𝓮𝕔𝖗𝚎𝘁", "secret"),
        ("s\u0301e\u0301cre\u0300t\u20dd", "secret"),
        ("①②③ ⁴⁵ ½", "123 45 1/2"),
        ("٤١١١ ۴۱۱۱ ४१११", "4111 4111 4111"),
        ("“quoted” – dash…", '"quoted" - dash...'),
        ("4\ufe0f\u20e31\ufe0f\u20e3", "41"),
        ("s\U000e0065e\U000e0101cret", "secret"),
        ("ﬁne ＠ ｅｘａｍｐｌｅ．ｃｏｍ", "fine @ example.com"),
    ],
)
def test_what_looks_the_same_reads_the_same(written: str, read: str) -> None:
    assert normalise(written).text == read


@pytest.mark.parametrize("text", ["検索結果", "한국어 텍스트", "مرحبا", "हिन्दी", "ไทย", "\N{GRINNING FACE}"])
def test_other_scripts_stay_as_they_are(text: str) -> None:
    assert normalise(text).text == text


def test_every_compatibility_form_of_ascii_digit_and_format_character_is_folded() -> None:
    for character in _ALL:
        read = normalise(character).text
        form = unicodedata.normalize("NFKC", character)
        if form.isascii() and form != character:
            assert read == form, hex(ord(character))
        if unicodedata.category(character) == "Cf":
            assert read == "", hex(ord(character))
        if (digit := unicodedata.decimal(character, None)) is not None:
            assert read == str(digit), hex(ord(character))


@given(
    st.lists(
        st.sampled_from(["a", "4", "\u200b", "é", "ﬃ", "е", "４", "検", "½", "\U0001d7d8", "e\u0301"]), max_size=30
    )
)
def test_every_place_leads_back_to_the_character_that_is_read_there(pieces: list[str]) -> None:
    text = "".join(pieces)
    view = normalise(text)
    for place, character in enumerate(view.text):
        start, end = view.span(place, place + 1)
        assert character in normalise(text[start:end]).text
        assert end - start == 1


@given(st.text(), st.text())
def test_a_text_reads_the_same_however_it_is_cut(one: str, other: str) -> None:
    assert normalise(one + other).text == normalise(one).text + normalise(other).text


@given(st.text())
def test_what_is_read_reads_as_itself(text: str) -> None:
    once = normalise(text).text
    assert normalise(once).text == once
