"""Calendar windows: every second is in one, and they follow each other without a gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.budgets.window import Window, end_of, number_of

SECONDS = st.integers(0, 7_258_118_400)
"""1970 to 2200."""

FINITE = [each for each in get_args(Window) if each != "lifetime"]


@given(second=SECONDS, window=st.sampled_from(FINITE))
def test_a_second_is_before_the_end_of_its_window_and_not_before_that_of_the_last(second: int, window: Window) -> None:
    number = number_of(window, second)
    end, begin = end_of(window, number), end_of(window, number - 1)
    assert begin is not None and end is not None
    assert begin <= second < end
    assert number_of(window, end) == number + 1
    assert number_of(window, end - 1) == number


@given(second=SECONDS)
def test_windows_begin_where_the_calendar_says(second: int) -> None:
    moment = datetime.fromtimestamp(second, UTC)
    day = moment.replace(hour=0, minute=0, second=0)
    month = day.replace(day=1)
    begins: dict[Window, datetime] = {
        "minute": moment.replace(second=0),
        "hour": moment.replace(minute=0, second=0),
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": month,
        "quarter": month.replace(month=(month.month - 1) // 3 * 3 + 1),
    }
    for window, begin in begins.items():
        assert end_of(window, number_of(window, second) - 1) == int(begin.timestamp()), window


@pytest.mark.parametrize("second", [0, 1_700_000_000, 7_000_000_000])
def test_a_lifetime_is_one_window_without_an_end(second: int) -> None:
    assert number_of("lifetime", second) == 0
    assert end_of("lifetime", 0) is None
