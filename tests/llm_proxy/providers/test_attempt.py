"""A first token that comes together with much else is read before the rest of it."""

from __future__ import annotations

import pytest

from llm_proxy.providers.attempt import MOST_AT_FIRST, _parts


@pytest.mark.parametrize("size", [0, 1, MOST_AT_FIRST, MOST_AT_FIRST + 1, 10 * MOST_AT_FIRST])
def test_a_piece_is_its_parts_and_the_first_of_them_is_short(size: int) -> None:
    piece = bytes(number % 251 for number in range(size))
    first, *rest = _parts(piece)
    assert b"".join([first, *rest]) == piece
    assert len(first) <= MOST_AT_FIRST
    assert bool(rest) is (size > MOST_AT_FIRST)
