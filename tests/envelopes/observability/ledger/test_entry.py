"""Entries as they are written down: whatever is in them, a database takes it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.metadata import MAX_KEY, MAX_KEYS, MAX_VALUE
from mcp_gateway.core.spool.record import MAX_PAYLOAD
from mcp_gateway.envelopes.observability.ledger.entry import entry_id, read_entry, write_entry
from tests.envelopes.observability.ledger.support import entry

anything = st.text(st.characters(codec=None), max_size=700)
numbers = st.integers()


def test_what_was_written_is_read() -> None:
    made = entry(teams=("b", "a"), metadata={"team": "payments"}, cost=None, seconds=1.25, last=False)
    row = read_entry(write_entry(made))
    assert row is not None
    assert row["teams"] == '["a","b"]'
    assert (row["id"], row["at"], row["cost"], row["last"], row["seconds"]) == (made.id, made.at, None, 0, 1.25)
    assert row["metadata"] == {"team": "payments"}
    assert "v" not in row


@given(anything, anything, numbers, st.floats(), st.lists(anything, max_size=3))
def test_anything_is_made_fit(text: str, key: str, number: int, moment: float, teams: list[str]) -> None:
    made = entry(
        principal=text, metadata={key: text}, input=number, cost=number, seconds=moment, at=moment, teams=tuple(teams)
    )
    row = read_entry(write_entry(made))
    assert row is not None
    assert row["principal"].isprintable() and len(row["principal"]) <= 512
    assert all(part.isprintable() for pair in row["metadata"].items() for part in pair)
    assert 0 <= row["input"] <= 10**12 and 0 <= row["cost"] <= 10**14
    assert math.isfinite(row["seconds"]) and math.isfinite(row["at"])


@given(st.binary(max_size=50))
def test_what_is_no_entry_is_none(payload: bytes) -> None:
    assert read_entry(payload) is None
    assert read_entry(b'{"v":2}') is None


@pytest.mark.parametrize("char", ["\N{PILE OF POO}", '"', "\\", "\0", "a"])
def test_the_largest_entry_fits_into_a_record(char: str) -> None:
    long = char * 1000
    made = entry(
        principal=long, server=long, asked=long, target=long, provider=long, status=long, snapshot=long,
        request_id=long, teams=tuple(long for _ in range(5_000)),
        metadata={f"{number:03}{char * (MAX_KEY - 3)}": char * MAX_VALUE for number in range(MAX_KEYS)},
    )  # fmt: skip
    assert len(write_entry(made)) < MAX_PAYLOAD


def test_ids_are_in_order_of_time_and_never_twice() -> None:
    ids = [entry_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [each[:14] for each in ids] == sorted(each[:14] for each in ids)
