"""Check digits: those that are worked out by tables are what their definitions say."""

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.detectors.pii_checks import aadhaar, luhn, luhn_sums

_MOVES = "1576283094"


def _times(one: int, other: int) -> int:
    """The product in the group of the symmetries of a pentagon."""
    if one < 5:
        return (one + other) % 5 if other < 5 else 5 + (one + other) % 5
    return 5 + (one - other) % 5 if other < 5 else (one - other) % 5


def _verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        moved = digit
        for _ in range(place % 8):
            moved = _MOVES[int(moved)]
        check = _times(check, int(moved))
    return check == 0


@given(st.text(alphabet="0123456789", min_size=11, max_size=11))
def test_one_check_digit_of_ten_holds_by_verhoeff(body: str) -> None:
    held = [digit for digit in "0123456789" if _verhoeff(body + digit)]
    assert len(held) == 1
    found = [digit for digit in "0123456789" if aadhaar(body + digit)]
    assert found == ([] if body[0] in "01" else held)


def _luhn(digits: str) -> bool:
    doubled = "".join(str(int(one) * (1 + place % 2)) for place, one in enumerate(reversed(digits)))
    return sum(map(int, doubled)) % 10 == 0


@given(st.text(alphabet="0123456789", min_size=1, max_size=60), st.data())
def test_sums_over_a_run_tell_of_each_part_what_luhn_does(digits: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(digits) - 1))
    end = data.draw(st.integers(start + 1, len(digits)))
    sums = luhn_sums(digits.encode(), (end - 1) % 2)
    assert luhn(digits[start:end]) is _luhn(digits[start:end])
    assert ((sums[end] - sums[start]) % 10 == 0) is _luhn(digits[start:end])
