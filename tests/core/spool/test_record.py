"""Records: what was written is read, whatever stands around and between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.spool.record import MAX_FRAME, OVERHEAD, frame, scan

payloads = st.lists(st.binary(max_size=60), max_size=8)
EVERYTHING = 10**6


@given(payloads)
def test_what_was_written_is_read(given: list[bytes]) -> None:
    data = b"".join(map(frame, given))
    found = scan(data, EVERYTHING, end=True)
    assert (found.payloads, found.consumed, found.lost) == (given, len(data), 0)


@given(payloads, st.integers(0, 8))
def test_no_more_than_asked_for_and_the_rest_afterwards(given: list[bytes], limit: int) -> None:
    data = b"".join(map(frame, given))
    first = scan(data, limit, end=True)
    rest = scan(data[first.consumed :], EVERYTHING, end=True)
    assert first.payloads == given[:limit]
    assert rest.payloads == given[limit:]


@given(payloads, st.binary(min_size=1, max_size=60), st.data())
def test_a_record_that_is_cut_off_is_lost_alone(given: list[bytes], last: bytes, data: st.DataObject) -> None:
    whole = b"".join(map(frame, given))
    torn = frame(last)[: data.draw(st.integers(1, OVERHEAD + len(last) - 1))]
    found = scan(whole + torn, EVERYTHING, end=True)
    assert found.payloads == given
    assert (found.consumed, found.lost) == (len(whole) + len(torn), len(torn))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8), st.data())
def test_damage_costs_the_record_that_has_it(given: list[str], data: st.DataObject) -> None:
    frames = [frame(text.encode()) for text in given]
    hit = data.draw(st.integers(0, len(frames) - 1))
    at = data.draw(st.integers(0, len(frames[hit]) - 1))
    broken = bytearray(frames[hit])
    broken[at] ^= data.draw(st.integers(1, 255))
    found = scan(b"".join([*frames[:hit], bytes(broken), *frames[hit + 1 :]]), EVERYTHING, end=True)
    assert found.payloads == [text.encode() for number, text in enumerate(given) if number != hit]
    assert found.lost == len(broken)


@given(payloads, st.binary(max_size=40), st.binary(max_size=40))
def test_anything_is_gone_through(given: list[bytes], before: bytes, after: bytes) -> None:
    data = before + b"".join(map(frame, given)) + after
    found = scan(data, EVERYTHING, end=True)
    assert found.consumed == len(data)
    assert sum(OVERHEAD + len(payload) for payload in found.payloads) + found.lost == len(data)


def test_what_may_still_become_whole_is_waited_for() -> None:
    data = frame(b"a" * 1000)
    piece = data[:500] + b""
    found = scan(frame(b"first") + piece, EVERYTHING, end=False)
    assert found.payloads == [b"first"]
    assert found.consumed == OVERHEAD + 5


def test_a_long_run_of_nothing_is_left_behind_piece_by_piece() -> None:
    found = scan(bytes(2 * MAX_FRAME), EVERYTHING, end=False)
    assert found.consumed >= MAX_FRAME
    assert found.lost == found.consumed
