"""A first token that comes together with much else is read before the rest of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llm_proxy.providers.attempt import AT_FIRST, FIRST, _parts


@pytest.mark.parametrize("size", [0, 1, AT_FIRST, AT_FIRST + 1, FIRST, FIRST + 1, 10 * FIRST])
@pytest.mark.parametrize("begins", [1, 3, 1000])
def test_a_piece_is_read_in_small_parts_until_the_stream_has_begun(size: int, begins: int) -> None:
    piece = bytes(number % 251 for number in range(size))
    stream: Any = SimpleNamespace(begun=False)
    parts = []
    for part in _parts(piece, stream):
        parts.append(part)
        stream.begun = len(parts) >= begins
    assert b"".join(parts) == piece
    small = min(begins, FIRST // AT_FIRST)
    assert all(len(part) <= AT_FIRST for part in parts[:small])
    assert len(parts) <= small + 1
