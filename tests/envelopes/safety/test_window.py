"""Windows: what leaves is the same however a text is cut, and nothing of a match leaves that is blocked."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.scan import placeholder, scan
from mcp_gateway.envelopes.safety.window import MOST_HELD, STRIDE, Window
from tests.envelopes.safety.support import CREDENTIALS, DETECTORS, INNOCENT, PERSONAL

_PIECES = [text for texts in (*PERSONAL.values(), *CREDENTIALS.values()) for text in texts]
_FILLING = [*INNOCENT, " ", "\n", "lorem ipsum " * 40, "x" * 700, "\u200b", "%41", "\\u0041", "４１", "ssn: ", "4", "A"]

_TEXTS = st.lists(st.sampled_from(_PIECES) | st.sampled_from(_FILLING) | st.text(max_size=20), max_size=12).map("".join)


def _passed(pieces: Iterable[str], *, block: bool = False) -> tuple[str, Sequence[object]]:
    window = Window(DETECTORS, None if block else placeholder)
    left = [window.feed(piece) for piece in pieces]
    return "".join([*left, window.end()]), window.found


def _cut(text: str, sizes: Sequence[int]) -> list[str]:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(text[place : place + size])
        place += size
    return [*pieces, text[place:]]


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.lists(st.integers(0, 1500), max_size=8), st.booleans())
def test_what_leaves_is_the_same_however_the_text_is_cut(text: str, sizes: list[int], block: bool) -> None:
    whole = _passed([text], block=block)
    assert _passed(_cut(text, sizes), block=block) == whole
    assert _passed(text, block=block) == whole


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), st.sampled_from(_PIECES), st.data())
def test_nothing_of_a_match_leaves_that_is_blocked(windows: int, secret: str, data: st.DataObject) -> None:
    # The match stands across the edge of a window.
    filling = "lorem ipsum dolor\n" * 400
    before = filling[: windows * STRIDE - 2 - data.draw(st.integers(1, min(len(secret), 1000)))]
    left, found = _passed([f"{before} \n{secret}\n {filling}"], block=True)
    assert found
    assert f"{before} \n".startswith(left)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3 * STRIDE), st.sampled_from(_PIECES))
def test_a_match_across_the_edge_of_windows_is_replaced_whole(offset: int, secret: str) -> None:
    filling = ("lorem ipsum dolor\n" * (offset // 18 + 1))[:offset] + "\n"
    text = f"{filling}{secret}\n" + "lorem ipsum dolor\n" * 100
    left, found = _passed([text])
    (kind,) = {one.kind for one in scan(f"\n{secret}\n", DETECTORS)}
    assert left == f"{filling}[{kind.upper()}]\n" + "lorem ipsum dolor\n" * 100
    assert len(found) == 1


@pytest.mark.parametrize("text", INNOCENT)
def test_an_innocent_text_leaves_as_it_came(text: str) -> None:
    repeated = f"{text}\n" * 40
    assert _passed([repeated]) == (repeated, [])


@settings(max_examples=60, deadline=None)
@given(st.integers(STRIDE - 700, STRIDE), st.sampled_from([text for text in _PIECES if len(text) < 120]), st.booleans())
def test_of_an_encoded_match_nothing_leaves_either(offset: int, secret: str, block: bool) -> None:
    filling = ("lorem ipsum dolor\n" * (offset // 18 + 1))[:offset] + "\n"
    encoded = "".join(f"\\u{ord(one):04x}" for one in secret)
    left, found = _passed([f"{filling}{encoded}\n" + "lorem ipsum dolor\n" * 100], block=block)
    assert found
    assert "\\u" not in left


@settings(max_examples=60, deadline=None)
@given(_TEXTS)
def test_what_left_leaves_again_as_it_is(text: str) -> None:
    once, _ = _passed([text])
    assert _passed([once]) == (once, [])


def test_places_count_from_the_beginning_of_the_channel() -> None:
    window = Window(DETECTORS, placeholder)
    for _ in range(500):
        window.feed("lorem ipsum\n")
    window.feed("a@example.com")
    window.end()
    (found,) = window.found
    assert (found.kind, found.start, found.end) == ("email", 6000, 6013)


def test_a_stream_is_held_back_no_longer_than_a_stride_and_the_longest_match() -> None:
    window = Window(DETECTORS, placeholder)
    left = 0
    for arrived in range(1, 8000):
        left += len(window.feed("y"))
        assert arrived - left <= window.stride + window.context


def test_a_match_without_an_end_is_held_to_a_bound() -> None:
    window = Window(DETECTORS, placeholder)
    key = "-----BEGIN " + "PRIVATE KEY-----\n"
    held = len(key)
    left = window.feed(key)
    for _ in range(40):
        left += window.feed("MIIE" * 256)
        held += 1024
        if left:
            break
    assert left.startswith("[PRIVATE_KEY]")
    assert MOST_HELD <= held <= MOST_HELD + 3 * STRIDE


def test_after_a_block_nothing_leaves_any_more() -> None:
    window = Window(DETECTORS)
    assert window.feed("a@example.com" + " fine" * 1000) == ""
    assert window.blocked
    assert window.feed(" and on" * 1000) == ""
    assert window.end() == ""
