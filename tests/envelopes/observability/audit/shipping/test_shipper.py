"""Shipping to one target: all of it, in order, again until it works, from where the target is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mcp_gateway.envelopes.observability.audit.retention import Retention
from mcp_gateway.envelopes.observability.audit.shipping import reading
from mcp_gateway.envelopes.observability.audit.shipping import shipper as module
from mcp_gateway.envelopes.observability.audit.shipping.cursor import FOLDER, Cursor, shipped_below
from mcp_gateway.envelopes.observability.audit.shipping.reading import Behind
from mcp_gateway.envelopes.observability.audit.shipping.shipper import Shipper
from mcp_gateway.envelopes.observability.audit.shipping.shipping import Shipping
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, MemoryTarget, NotTaken
from tests.envelopes.observability.audit.shipping.support import arrived, chain_of, lines, shipper
from tests.envelopes.observability.audit.support import begin, call, files, leave, verified, written

PATIENCE = 30.0


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def running(found: Shipper) -> Iterator[Shipper]:
    found.start()
    try:
        yield found
    finally:
        found.stop(PATIENCE)
        found.join(PATIENCE)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.05)


def test_all_chains_are_shipped_once(tmp_path: Path) -> None:
    one, other = begin(tmp_path), begin(tmp_path, segment_bytes=900)
    for number in range(1200):
        assert one.append(call(number)) and (number % 100 or (other.append(call(number)) and other.flush()))
    one.close()
    other.close()
    target = MemoryTarget()
    here = shipper(tmp_path, target)
    assert here.once()
    assert arrived(target.items) == lines(tmp_path)
    assert here.counts.shipped == len(target.items) == len(lines(tmp_path))
    assert here.behind == Behind()
    assert shipper(tmp_path, target).once()
    assert len(target.items) == len(lines(tmp_path)), "it goes on from where it was"


def test_what_comes_is_shipped_and_the_end_too(tmp_path: Path) -> None:
    chain, target = begin(tmp_path), MemoryTarget()
    with running(shipper(tmp_path, target)) as here:
        for number in range(5):
            chain.append(call(number))
            assert chain.flush()
            until(lambda: len(target.items) == number + 2)  # noqa: B023 -- awaited at once
        chain.close()
    assert arrived(target.items) == lines(tmp_path) and '"closed"' in target.items[-1].line
    assert (here.counts.shipped, here.counts.failures) == (7, 0)


def test_a_target_that_takes_nothing_delays_and_loses_nothing(tmp_path: Path) -> None:
    chain, target = begin(tmp_path), MemoryTarget()
    target.failing = "Gone"
    with capture_logs() as logs, running(shipper(tmp_path, target)) as here:
        until(lambda: here.counts.failures > 3)
        assert here.failing == "Gone" and Shipping([here]).trouble.endswith("to: here")
        chain.append(call(1))
        assert chain.flush()
        until(lambda: here.behind.records == 2)
        target.failing = ""
        until(lambda: len(target.items) == 2)
        until(lambda: here.behind == Behind())
        assert not here.failing and not Shipping([here]).trouble
    leave(chain)
    told = [line["event"] for line in logs]
    assert told == ["the record of calls is not shipped, will try again", "the record of calls is shipped again"]


def test_a_defect_of_a_target_does_not_end_the_shipping(tmp_path: Path) -> None:
    class Defective(MemoryTarget):
        def send(self, items: Sequence[Item]) -> int:
            if self.failing:
                raise ZeroDivisionError
            return super().send(items)

    written(tmp_path, 1)
    target = Defective()
    target.failing = "yes"
    with running(shipper(tmp_path, target)) as here:
        until(lambda: here.failing == "ZeroDivisionError")
        target.failing = ""
        until(lambda: len(target.items) == 3)


def test_what_was_sent_and_not_acknowledged_is_sent_again(tmp_path: Path) -> None:
    class Silent(MemoryTarget):
        """Takes the records, and its answer is lost."""

        def send(self, items: Sequence[Item]) -> int:
            self.items.extend(items)
            if self.failing:
                raise NotTaken(self.failing)
            return 0

    written(tmp_path, 5)
    target = Silent()
    target.failing = "Timeout"
    assert not shipper(tmp_path, target).once()
    target.failing = ""
    assert shipper(tmp_path, target).once()
    assert len(target.items) == 14 and arrived(target.items) == lines(tmp_path)
    assert len({item.hash for item in target.items}) == 7


def test_where_the_position_cannot_be_kept_nothing_is_sent_over_and_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(cursor: Cursor, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    chain, target = begin(tmp_path), MemoryTarget()
    with monkeypatch.context() as patch:
        patch.setattr(Cursor, "_replace", full)
        with running(shipper(tmp_path, target)) as here:
            until(lambda: here.counts.failures > 3)
            assert len(target.items) == 1 and here.failing == "OSError" and not here.cursor.saved
            patch.undo()
            until(lambda: here.cursor.saved)
            chain.append(call(1))
            assert chain.flush()
            until(lambda: len(target.items) == 2 and not here.failing)
    leave(chain)


def test_ending_takes_no_longer_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_RECORDS", 1)
    written(tmp_path, 50)
    target = MemoryTarget()
    here = shipper(tmp_path, target)
    here.stop(-1.0)
    here.start()
    here.join(PATIENCE)
    assert not target.items and here.behind.records == 52
    assert shipper(tmp_path, target).once()
    assert arrived(target.items) == lines(tmp_path)


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"place":"x"}', b'{"place": 1, "chains": {"a": [1]}}'])
def test_a_cursor_that_cannot_be_read_begins_anew(tmp_path: Path, kept: bytes) -> None:
    written(tmp_path, 2)
    target = MemoryTarget()
    assert shipper(tmp_path, target).once()
    (tmp_path / FOLDER / "here.json").write_bytes(kept)
    assert shipper(tmp_path, target).once()
    assert len(target.items) == 8 and arrived(target.items) == lines(tmp_path)


def test_another_place_of_the_same_name_gets_all(tmp_path: Path) -> None:
    written(tmp_path, 2)
    one, other = MemoryTarget(), MemoryTarget()
    assert shipper(tmp_path, one).once()
    assert shipper(tmp_path, other, place="elsewhere").once()
    assert len(one.items) == len(other.items) == 4


def test_one_process_ships_and_another_takes_over(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    first, second = MemoryTarget(), MemoryTarget()
    with running(shipper(tmp_path, second)) as waiting:
        until(lambda: len(second.items) == 1)
        with running(shipper(tmp_path, first)) as leading:
            until(lambda: leading.elsewhere)
            chain.append(call(1))
            assert chain.flush()
            until(lambda: len(second.items) == 2)
            assert not first.items
            waiting.stop(PATIENCE)
            waiting.join(PATIENCE)
            chain.append(call(2))
            assert chain.flush()
            until(lambda: len(first.items) == 1)
            assert not leading.elsewhere
    chain.close()


def test_what_is_refused_for_good_and_what_is_gone_is_counted_and_said(tmp_path: Path) -> None:
    class Choosy(MemoryTarget):
        def send(self, items: Sequence[Item]) -> int:
            return super().send(items) + 2

    written(tmp_path, 20, segment_bytes=1500)
    gone = files(tmp_path)[0]
    count = gone.read_bytes().count(b"\n")
    gone.unlink()
    with capture_logs() as logs:
        here = shipper(tmp_path, Choosy())
        assert here.once()
    assert here.counts.missing == count and here.counts.rejected == 2 * (len(files(tmp_path)))
    assert logs[0]["event"] == "records are missing in a copy of the record" and logs[0]["gone"] == count
    shown = Shipping([here]).text()
    assert f'mcp_gateway_audit_ship_missing_total{{target="here"}} {count}\n' in shown
    assert f'mcp_gateway_audit_shipped_total{{target="here"}} {here.counts.shipped}\n' in shown
    assert 'mcp_gateway_audit_behind_records{target="here"} 0\n' in shown


def test_a_record_that_is_taken_away_is_lived_with(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    written(path, 2)
    target = MemoryTarget()
    with running(shipper(path, target)) as here:
        until(lambda: len(target.items) == 4)
        shutil.rmtree(path)
        failures = here.counts.failures
        written(path, 1)
        until(lambda: len(target.items) == 7)
        assert here.counts.failures >= failures


def test_files_that_are_not_shipped_are_kept_whatever_their_age(tmp_path: Path) -> None:
    written(tmp_path, 40, segment_bytes=1500)
    for file in files(tmp_path):
        os.utime(file, (1, 1))
    chain = begin(tmp_path)
    places = {"here": "p", "there": "q"}
    retention = Retention(3600.0, None, shipped_below(tmp_path, places))
    assert retention(chain) == 0
    target = MemoryTarget()
    assert shipper(tmp_path, target).once()
    assert retention(chain) == 0, "the other place has nothing yet"
    assert shipper(tmp_path, target, name="there", place="q").once()
    before = len(files(tmp_path))
    assert retention(chain) == before - 1
    chain.close()
    assert not [each for each in verified(tmp_path).findings if each.gravity == "wrong"]


def test_only_the_size_takes_what_is_not_shipped_and_that_is_said(tmp_path: Path) -> None:
    written(tmp_path, 40, segment_bytes=1500)
    chain = begin(tmp_path)
    with capture_logs() as logs:
        gone = Retention(None, 6000, shipped_below(tmp_path, {"here": "p"}))(chain)
    assert gone > 1
    assert [(line["event"], line["files"]) for line in logs] == [
        ("files of the record go before they were shipped: `keep_size` is reached", gone)
    ]
    target = MemoryTarget()
    here = shipper(tmp_path, target)
    assert here.once()
    assert here.counts.missing == target.items[0].seq - 1 > 0
    chain.close()


def test_of_chains_that_are_gone_no_position_is_kept(tmp_path: Path) -> None:
    one, other = begin(tmp_path), begin(tmp_path)
    one.close()
    other.close()
    here = shipper(tmp_path, MemoryTarget())
    assert here.once() and len(here.cursor.positions) == 2
    shutil.rmtree(one.claim.folder)
    written(tmp_path, 1)
    assert here.once()
    assert list(here.cursor.positions) == [chain_of(tmp_path).name] == [other.claim.chain]
