"""Sizes and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.settings.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("32KiB", 32768),
        ("4MiB", 4194304),
        ("1GiB", 1073741824),
        ("1.5KiB", 1536),
        ("2kB", 2000),
        ("3MB", 3000000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10.0), ("2m", 120.0), ("1.5h", 5400.0), ("1d", 86400.0), ("0.1s", 0.1)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "4", "MiB", "4 MiB", "4mib", "-1B", "0B", "0.5B", "1e3B", "4MiBs", "٤MiB", "9" * 40 + "B"]
)
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "-1s", "0s", "0ms", "1e3s", "1m30s", "10S", "inf s", "٤s"])
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=10**14))
def test_a_size_survives_being_written_and_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(min_value=1, max_value=10**12))
def test_a_duration_survives_being_written_and_read(millis: int) -> None:
    assert parse_duration(format_duration(millis / 1000)) == millis / 1000


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "500ms"), (75.0, "75s"), (120.0, "2m"), (0.0005, "0.5ms")])
def test_the_spelling_is_the_one_a_person_would_choose(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
