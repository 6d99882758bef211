"""The record read from its end: in order, each record once, whatever the pages, the files and the bounds."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.observability.audit.backwards import Walk, Wanted, needle
from tests.envelopes.observability.audit.support import begin, call, files, written

CALLS = Wanted(needles=[needle("event", "call")], fits=lambda fields: fields["event"] == "call")


def ids(found: Any) -> list[str]:
    return [each["request_id"].rpartition("-")[2] for each in found]


def pages(path: Path, wanted: Wanted, *, most: int, look: int) -> list[str]:
    """Everything, page by page. Fails where no page would be the last."""
    found: list[str] = []
    below: Mapping[str, int] | None = None
    for _ in range(200):
        with Walk(path, wanted, look=look, below=below) as walk:
            found += ids(islice(walk, most))
            assert walk.looked <= max(look, 3)
            below = walk.below
        if not below:
            return found
    raise AssertionError("it does not end")


@pytest.fixture(scope="module")
def two_chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty calls in two chains of several files, as two processes write them by turns."""
    path = tmp_path_factory.mktemp("record")
    dice = random.Random(7)
    chains = [begin(path, segment_bytes=2000), begin(path, segment_bytes=2000)]
    for number in range(60):
        chain = dice.choice(chains)
        chain.append({**call(number), "outcome": "refused" if number % 10 == 3 else "ok"})
        assert chain.flush()
    for chain in chains:
        chain.close()
    assert len(files(path)) > 8
    return path


NEWEST_FIRST = [f"{number:x}" for number in reversed(range(60))]


def test_all_chains_are_read_as_one_the_newest_first(two_chains: Path) -> None:
    with Walk(two_chains, CALLS, look=10_000) as walk:
        assert ids(walk) == NEWEST_FIRST
        assert not walk.below


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(most=st.integers(1, 70), look=st.integers(1, 90))
def test_pages_of_any_size_together_are_the_whole(two_chains: Path, most: int, look: int) -> None:
    found = pages(two_chains, CALLS, most=most, look=look)
    assert sorted(found) == sorted(NEWEST_FIRST) and len(set(found)) == len(found)
    if look == 90:
        assert found == NEWEST_FIRST


@pytest.mark.parametrize("look", [3, 10_000])
def test_what_is_rare_is_found_through_empty_pages(two_chains: Path, look: int) -> None:
    refused = Wanted(needles=[needle("outcome", "refused")], fits=lambda fields: fields["outcome"] == "refused")
    assert pages(two_chains, refused, most=2, look=look) == [f"{number:x}" for number in (53, 43, 33, 23, 13, 3)]


def test_times_bound_it_and_old_files_are_not_read(two_chains: Path) -> None:
    times = [str(call(number)["time"]) for number in (20, 30)]
    with Walk(two_chains, Wanted(fits=CALLS.fits, since=times[0], until=times[1]), look=10_000) as walk:
        assert ids(walk) == NEWEST_FIRST[30:40]
    with Walk(two_chains, Wanted(fits=CALLS.fits, since=str(call(58)["time"])), look=10_000) as walk:
        assert ids(walk) == NEWEST_FIRST[:2]
        assert walk.looked < 30


def test_what_is_written_meanwhile_is_on_no_later_page(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    for number in range(10):
        chain.append(call(number))
    assert chain.flush()
    with Walk(tmp_path, CALLS, look=100) as walk:
        assert ids(islice(walk, 4)) == ["9", "8", "7", "6"]
        below = walk.below
    for number in range(10, 20):
        chain.append(call(number))
    assert chain.flush()
    written(tmp_path / "other", 3)
    with Walk(tmp_path, CALLS, look=100, below=below) as walk:
        assert ids(walk) == ["5", "4", "3", "2", "1", "0"]
    chain.close()


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    written(tmp_path, 6, segment_bytes=1500)
    newest = files(tmp_path)[-1]
    with newest.open("ab") as file:
        file.write(b'not json\n{"event":"call","seq":"x"}\n[1]\n{"event":"call","request_id":"t-99"')
    assert pages(tmp_path, CALLS, most=2, look=2) == ["5", "4", "3", "2", "1", "0"]


def test_a_needle_is_no_proof(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    chain.append({**call(1), "padding": {"outcome": "refused"}})
    chain.append({**call(2), "padding": '"outcome":"refused"'})
    chain.close()
    refused = Wanted(needles=[needle("outcome", "refused")], fits=lambda fields: fields.get("outcome") == "refused")
    with Walk(tmp_path, refused, look=100) as walk:
        assert list(walk) == []


def test_a_folder_without_chains_has_nothing(tmp_path: Path) -> None:
    with Walk(tmp_path, CALLS, look=100) as walk:
        assert (list(walk), walk.below) == ([], {})
