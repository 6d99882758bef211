"""A spool on a real disk: kept, read in order, bounded, taken over from those that are gone, whole after failures."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcp_gateway.core.spool.record import MAX_PAYLOAD, OVERHEAD
from mcp_gateway.core.spool.spool import FRESH_BYTES, Batch, Spool


def drained(spool: Spool, limit: int = 100) -> list[bytes]:
    """All records, delivered."""
    found: list[bytes] = []
    while (reading := spool.due(limit)) is not None:
        batch = reading()
        assert len(batch.payloads) <= limit
        found.extend(batch.payloads)
        spool.done(batch)
    return found


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"record %06d" % number for number in range(start, start + count)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.spool"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The disk takes no more than `size` bytes of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_records_come_back_in_order_across_files(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, segment_bytes=500)
    assert all(map(spool.append, numbered(300)))
    assert len(segments(tmp_path)) > 10
    assert drained(spool, limit=7) == numbered(300)
    assert spool.waiting == 0
    assert len(segments(tmp_path)) == 1
    spool.close()
    assert segments(tmp_path) == []


def test_what_is_not_done_is_given_again(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    spool.append(b"one")
    for _ in range(2):
        again = spool.due(10)
        assert again is not None
        assert again().payloads == [b"one"]
    reading = spool.due(10)
    assert reading is not None
    spool.append(b"two")
    spool.done(reading())
    assert drained(spool) == [b"two"]
    spool.close()


def test_what_is_left_is_taken_over(tmp_path: Path) -> None:
    for start in (0, 50):
        spool = Spool.open(tmp_path, segment_bytes=300)
        for payload in numbered(50, start):
            spool.append(payload)
        spool.close()
    spool = Spool.open(tmp_path)
    assert drained(spool) == numbered(100)
    spool.close()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_files_of_one_that_still_runs_are_left_alone(tmp_path: Path) -> None:
    one = Spool.open(tmp_path)
    one.append(b"of one")
    two = Spool.open(tmp_path)
    two.append(b"of two")
    assert drained(two) == [b"of two"]
    assert drained(one) == [b"of one"]
    one.close()
    two.close()


def test_a_torn_end_is_left_out_and_counted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    for payload in numbered(3):
        spool.append(payload)
    spool.close()
    (file,) = segments(tmp_path)
    file.write_bytes(file.read_bytes()[:-4])
    spool = Spool.open(tmp_path)
    spool.append(b"next")
    assert drained(spool) == [*numbered(2), b"next"]
    assert spool.counts.lost_bytes == len(numbered(1)[0]) + OVERHEAD - 4
    spool.close()


def test_the_disk_is_bounded_and_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, segment_bytes=200, max_bytes=1000)
    kept = sum(map(spool.append, numbered(100)))
    assert 0 < kept < 100
    assert spool.counts.dropped == 100 - kept
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 1000
    assert drained(spool) == numbered(kept)
    assert spool.append(b"there is room again")
    spool.close()


def test_a_record_that_is_too_large_is_counted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    assert not spool.append(b"x" * (MAX_PAYLOAD + 1))
    assert spool.append(b"x" * MAX_PAYLOAD)
    assert spool.counts.dropped == 1
    assert drained(spool) == [b"x" * MAX_PAYLOAD]
    spool.close()


def test_what_a_full_disk_refuses_waits_in_memory_and_loses_nothing(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    with files_of_at_most(100):
        assert all(map(spool.append, numbered(20)))
        assert spool.in_memory
        first = spool.due(3)
        assert first is not None
        spool.done(first())
    spool.settle()
    assert spool.in_memory == 0
    spool.append(b"afterwards")
    found = drained(spool)
    assert spool.counts.failures and spool.counts.lost_bytes == spool.counts.dropped == 0
    assert len(found) == 18
    assert b"afterwards" in found
    spool.close()


def test_memory_is_bounded_too(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, memory_bytes=60)
    with files_of_at_most(0):
        kept = sum(map(spool.append, numbered(20)))
    assert kept == 60 // len(numbered(1)[0])
    assert spool.counts.dropped == 20 - kept
    assert drained(spool) == numbered(kept)
    spool.close()


def test_a_file_that_somebody_removed_is_not_waited_for(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, segment_bytes=100)
    for payload in numbered(20):
        spool.append(payload)
    segments(tmp_path)[0].unlink()
    assert drained(spool) == numbered(20)[100 // (len(numbered(1)[0]) + OVERHEAD) :]
    assert spool.counts.lost_bytes
    spool.close()


def test_a_file_of_delivered_records_begins_anew(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    for _ in range(3):
        for payload in numbered(20_000):
            spool.append(payload)
        assert drained(spool, limit=5_000) == numbered(20_000)
        (file,) = segments(tmp_path)
        assert file.stat().st_size == 0
    spool.close()


def test_what_came_last_is_delivered_from_memory(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    assert all(map(spool.append, numbered(10)))
    segments(tmp_path)[0].write_bytes(b"")  # nobody reads it
    first = spool.at_hand(4)
    assert first is not None and first.payloads == numbered(4)
    spool.append(b"later")
    spool.done(first)
    rest = spool.at_hand(100)
    assert rest is not None and rest.payloads == [*numbered(6, start=4), b"later"]
    spool.done(rest)
    assert (spool.at_hand(100), spool.due(100), spool.waiting) == (None, None, 0)
    spool.close()


def test_what_an_earlier_process_left_is_read_from_its_file(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    assert all(map(spool.append, numbered(3)))
    spool.close()
    again = Spool.open(tmp_path)
    assert again.at_hand(10) is None
    assert drained(again) == numbered(3)
    again.close()


@pytest.mark.parametrize("seed", range(5))
def test_from_memory_and_from_files_every_record_comes_once_and_in_order(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    spool = Spool.open(tmp_path, segment_bytes=2 * FRESH_BYTES)
    given: list[bytes] = []
    found: list[bytes] = []
    from_memory = 0

    def give() -> None:
        for _ in range(dice.randrange(60)):
            record = b"%d:" % len(given) + bytes(dice.randrange(48 * 1024))
            given.append(record)
            assert spool.append(record)

    def take() -> bool:
        nonlocal from_memory
        limit = dice.randrange(1, 20)
        batch: Batch | None = spool.at_hand(limit) if dice.random() < 0.7 else None
        from_memory += batch is not None
        if batch is None:
            reading = spool.due(limit)
            if reading is None:
                return False
            batch = reading()
        if dice.random() < 0.3:
            give()  # while a batch is on its way
        found.extend(batch.payloads)
        spool.done(batch)
        return True

    for _ in range(8):
        give()
        for _ in range(dice.randrange(20)):
            take()
    while len(found) < len(given):
        assert take()
    assert found == given
    assert from_memory
    spool.close()
