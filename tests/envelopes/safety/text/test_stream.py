"""Pieces to text: the same however they are cut, within characters and within escapes too."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.text.stream import JsonString, Utf8

TEXTS = st.text(alphabet=st.sampled_from('a"\\/\n\t\x00é検\U0001f600u0d8') | st.characters(exclude_categories=["Cs"]))


@given(st.binary(max_size=40) | TEXTS.map(str.encode))
def test_bytes_one_by_one_are_the_text_that_they_are_together(data: bytes) -> None:
    decoder = Utf8()
    left = [decoder.feed(data[place : place + 1]) for place in range(len(data))]
    assert "".join([*left, decoder.end()]) == data.decode(errors="replace")


@given(TEXTS, st.booleans())
def test_a_json_string_one_by_one_says_what_it_says_as_a_whole(text: str, ascii_only: bool) -> None:
    written = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    decoder = JsonString()
    left = [decoder.feed(one) for one in written]
    assert "".join([*left, decoder.end()]) == text


@given(TEXTS, st.lists(st.integers(0, 12), max_size=12))
def test_cuts_within_an_escape_change_nothing_and_little_is_held_back(text: str, sizes: list[int]) -> None:
    written = json.dumps(text)[1:-1]
    decoder, left, place = JsonString(), "", 0
    for size in sizes:
        left += decoder.feed(written[place : place + size])
        place += size
        arrived = written[:place]
        assert len(arrived) - len(json.dumps(left)[1:-1]) <= 11
    assert left + decoder.feed(written[place:]) + decoder.end() == text


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n"])
def test_half_of_a_pair_is_no_character(half: str) -> None:
    decoder = JsonString()
    assert (decoder.feed(half) + decoder.end())[0] == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("wrong", ["\\x41", "\\", "\\u12", "\\u12g4"])
def test_an_escape_that_json_does_not_have_is_refused(wrong: str) -> None:
    decoder = JsonString()
    with pytest.raises(ValueError, match="escape"):
        decoder.feed(wrong)
        decoder.end()
