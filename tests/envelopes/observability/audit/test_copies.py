"""Copies are proved as the record is: what was changed, removed or added is found; what arrived twice is none of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mcp_gateway.envelopes.observability.audit.chain import ANCHOR_EVERY
from mcp_gateway.envelopes.observability.audit.checking import Report
from mcp_gateway.envelopes.observability.audit.copies import verify_copy
from mcp_gateway.envelopes.observability.audit.link import seal
from tests.envelopes.observability.audit.support import SIGNER, begin, call, files, written

WHERE = Path("copy")


def lines(path: Path) -> list[bytes]:
    return [line for file in files(path) for line in file.read_bytes().splitlines(keepends=True)]


def wrong(copy: list[bytes]) -> list[str]:
    return [str(each) for each in verify_copy(copy, WHERE, SIGNER).findings if each.gravity == "wrong"]


def notes(report: Report) -> list[str]:
    return [each.what for each in report.findings if each.gravity == "note"]


@pytest.fixture
def record(tmp_path: Path) -> list[bytes]:
    """A closed chain of some records, in several files."""
    written(tmp_path, 30, segment_bytes=1500)
    return lines(tmp_path)


def test_several_chains_in_any_mixture(tmp_path: Path) -> None:
    one, other = begin(tmp_path), begin(tmp_path)
    for number in range(ANCHOR_EVERY):
        one.append(call(number))
        other.append(call(number))
    one.close()
    other.close()
    here = lines(tmp_path)
    half = len(here) // 2
    dice = random.Random(3)
    mixed: list[bytes] = []
    queues = [here[:half], here[half:]]
    while any(queues):
        queue = dice.choice([each for each in queues if each])
        mixed.append(queue.pop(0))
    report = verify_copy(mixed, WHERE, SIGNER)
    assert report.sound and (report.chains, report.records, report.anchors) == (2, len(here), 2)
    assert [each.rpartition(", the ")[2] for each in notes(report)] == [
        f"last {half - ANCHOR_EVERY} are not signed in this copy: more may be missing there"
    ] * 2


@pytest.mark.parametrize("begin_at", [0, 7, 20])
def test_what_arrived_twice_is_no_fault(record: list[bytes], begin_at: int) -> None:
    report = verify_copy([*record[:25], *record[begin_at:]], WHERE, SIGNER)
    assert report.sound and report.records == len(record)


def test_what_arrived_twice_and_differs_is_found(record: list[bytes]) -> None:
    changed = record[10].replace(b"corp|alice", b"corp|mallo")
    assert len(wrong([*record, changed])) == 1
    name, end = verify_copy(record[:10], WHERE, SIGNER).ends.popitem()
    forged, _ = seal({"event": "call"}, name, end)  # whole, and tied to the record before it
    assert len(wrong([*record, forged])) == 1


@pytest.mark.parametrize("at", [0, 1, 15, 29])
def test_a_record_removed(record: list[bytes], at: int) -> None:
    assert len(wrong([*record[:at], *record[at + 1 :]])) == 1


def test_a_record_changed(record: list[bytes]) -> None:
    copy = [*record]
    copy[12] = copy[12].replace(b"corp|alice", b"corp|mallo")
    (found,) = wrong(copy)
    assert found == "copy:13: seq 13: this record was changed"


def test_what_is_no_record(record: list[bytes]) -> None:
    assert len(wrong([*record[:5], b"what?\n", *record[5:]])) == 1


def test_half_a_record_at_the_end_is_a_note(record: list[bytes]) -> None:
    report = verify_copy([*record, record[-1][:50]], WHERE, SIGNER)
    assert report.sound and "half a record: it may still be written" in notes(report)


def test_a_part_may_begin_later(record: list[bytes]) -> None:
    assert len(wrong(record[8:])) == 1
    report = verify_copy(record[8:], WHERE, SIGNER, part=True)
    assert report.sound and any("begins here" in each for each in notes(report))


def test_a_part_that_lacks_something_in_its_midst(record: list[bytes]) -> None:
    assert not verify_copy([*record[8:15], *record[16:]], WHERE, SIGNER, part=True).sound


def test_what_a_place_has_taken_has_to_be_there(record: list[bytes]) -> None:
    (chain,) = verify_copy(record, WHERE, SIGNER).ends
    assert verify_copy(record, WHERE, SIGNER, taken={chain: len(record)}).sound
    cut = verify_copy(record[:-2], WHERE, SIGNER, taken={chain: len(record)})
    assert [each.what for each in cut.findings if each.gravity == "wrong"] == [
        f"of the chain {chain}, {len(record)} records were taken, and {len(record) - 2} are there"
    ]
    assert not verify_copy([], WHERE, SIGNER, taken={chain: 1}).sound


def test_a_chain_that_another_speaks_of_is_missed(tmp_path: Path) -> None:
    first, second = begin(tmp_path), begin(tmp_path)
    first.close()
    second.close()
    third = begin(tmp_path)
    third.close()
    own = [line for line in lines(tmp_path) if third.claim.chain.encode() in line]
    assert not wrong(lines(tmp_path))
    (found,) = wrong([line for line in own if f'"chain":"{third.claim.chain}","event"'.encode() in line])
    assert "is gone" in found


def test_an_anchor_that_was_made_without_the_key(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    chain.append(call(1))
    chain.anchor()
    chain.close()
    copy = lines(tmp_path)
    assert verify_copy(copy, WHERE, SIGNER).anchors == 1
    forged = copy[2].replace(b'"signature":"', b'"signature":"0')
    assert wrong([*copy[:2], forged, *copy[3:]])
