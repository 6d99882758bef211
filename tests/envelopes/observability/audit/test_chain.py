"""Writing a chain: what the kernel has after a kill, a full disk, a file that was taken away, too much waiting."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.core.spool import segments as module
from mcp_gateway.core.spool.segments import sync
from mcp_gateway.envelopes.observability.audit.link import START, Broken, read, seal
from mcp_gateway.envelopes.observability.audit.opening import open_chain
from mcp_gateway.envelopes.observability.audit.retention import Retention
from tests.envelopes.observability.audit.support import (
    SIGNER,
    begin,
    call,
    files,
    leave,
    notes,
    verified,
    written,
    wrong,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def events(path: Path) -> list[str]:
    return [orjson.loads(line)["event"] for file in files(path) for line in file.read_bytes().splitlines()]


@given(st.dictionaries(st.text(), JSON, max_size=5))
@settings(deadline=None)
def test_whatever_a_record_holds_it_is_one_line_that_is_read_back(fields: dict[str, object]) -> None:
    line, link = seal(fields, "c", START)
    assert line.count(b"\n") == 1
    record = read(line)
    assert (record.link, record.prev, record.chain) == (link, START.hash, "c")


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"hash":"x"}\n', b"[1]\n"])
def test_what_is_no_record(line: bytes) -> None:
    with pytest.raises(Broken):
        read(line)


def test_another_process_goes_on_with_the_chain(tmp_path: Path) -> None:
    written(tmp_path, 2)
    written(tmp_path, 1)
    assert events(tmp_path) == ["opened", "call", "call", "closed", "opened", "call", "closed"]
    report = verified(tmp_path)
    assert report.findings == [] and [end.seq for end in report.ends.values()] == [7]


def test_processes_at_one_time_have_a_chain_each(tmp_path: Path) -> None:
    one, other = begin(tmp_path), begin(tmp_path)
    assert one.claim.chain != other.claim.chain
    one.close()
    other.close()
    assert verified(tmp_path).chains == 2 and not verified(tmp_path).findings


@pytest.mark.parametrize("torn", [1, 40, 200])
def test_half_a_record_is_cut_off_and_said(tmp_path: Path, torn: int) -> None:
    chain = begin(tmp_path)
    chain.append(call(1))
    assert chain.flush()
    line, _ = seal(call(2), chain.claim.chain, chain.link)
    with files(tmp_path)[-1].open("ab") as file:
        file.write(line[:torn])
    leave(chain)
    written(tmp_path, 1)
    assert events(tmp_path) == ["opened", "call", "repaired", "opened", "call", "closed"]
    assert not wrong(tmp_path)
    assert f"half a record, {torn} bytes, was cut off before it" in notes(tmp_path)


def test_of_other_chains_the_ends_are_mended_too(tmp_path: Path) -> None:
    one, other = begin(tmp_path), begin(tmp_path)
    for each in (one, other):
        assert each.flush()
        with (each.claim.folder / "000000000001.jsonl").open("ab") as file:
            file.write(b'{"event":')
        leave(each)
    begin(tmp_path).close()
    assert events(tmp_path).count("repaired") == 2
    assert not wrong(tmp_path)


def test_records_that_a_power_cut_took_stay_missed(tmp_path: Path) -> None:
    written(tmp_path, 3)
    [file] = files(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]))
    written(tmp_path, 1)
    [found] = wrong(tmp_path)
    assert "seq 6" in found and "records 4 to 5 are missing" in found


def test_a_disk_that_takes_half_gets_the_rest_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = begin(tmp_path)
    room = [150]

    class Full:
        """The system's calls on a disk with little room."""

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        def write(self, descriptor: int, data: bytes) -> int:
            if not room[0]:
                raise OSError(28, "No space left on device")
            taken = os.write(descriptor, data[: room[0]])
            room[0] -= taken
            return taken

    monkeypatch.setattr(module, "os", Full())
    chain.append(call(1))
    assert not chain.flush() and chain.waits
    chain.append(call(2))
    assert not chain.flush()
    assert chain.counts.failures == 2
    room[0] = 1 << 30
    assert chain.flush() and not chain.waits
    chain.close()
    assert events(tmp_path) == ["opened", "call", "call", "closed"]
    assert verified(tmp_path).findings == []


@pytest.mark.parametrize("room", [1, 150, 700])
def test_a_file_that_is_left_with_half_a_record_gets_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """A sync fails while the disk has taken a record by half: it goes whole into the next file."""
    chain = begin(tmp_path)
    write, left = module.SegmentWriter.write, [room]

    def some(writer: module.SegmentWriter, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        taken = write(writer, data[: left[0]])
        left[0] -= taken
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(module.SegmentWriter, "write", some)
        for number in range(3):
            chain.append(call(number))
        assert not chain.flush()
    chain.again()
    assert chain.flush() and not chain.waits
    chain.close()
    assert len(files(tmp_path)) == 2
    assert events(tmp_path) == ["opened", "call", "call", "call", "closed"]
    assert verified(tmp_path).findings == []


def test_what_there_is_no_room_for_is_counted_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = begin(tmp_path, memory_bytes=1000)
    with monkeypatch.context() as patch:
        patch.setattr(type(chain), "_write", lambda self: (_ for _ in ()).throw(OSError(28, "full")))
        kept = [(chain.append(call(number)), chain.flush())[0] for number in range(10)]
    assert 0 < kept.count(True) < 10
    assert chain.flush()
    assert chain.append(call(11))
    chain.close()
    assert "gap" in events(tmp_path)
    dropped = kept.count(False)
    assert notes(tmp_path) == [f"{dropped} records were dropped before it: no room"]
    assert not wrong(tmp_path)


def test_a_file_that_is_taken_away_is_noticed(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    assert not chain.lost()
    files(tmp_path)[0].unlink()
    assert chain.lost()
    chain.append(call(1))
    assert chain.flush()
    chain.close()
    assert wrong(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        open_chain(tmp_path / "file" / "audit", SIGNER, facts={})


def test_all_of_it_can_be_synced(tmp_path: Path) -> None:
    chain = begin(tmp_path, segment_bytes=400)
    for number in range(4):
        chain.append(call(number))
        assert chain.flush()
    assert chain.dirty
    assert sync(chain.syncing()) == 0
    assert not chain.dirty
    chain.close()


def test_files_that_are_too_many_go_and_the_chain_stays_sound(tmp_path: Path) -> None:
    chain = begin(tmp_path, segment_bytes=1200)
    for number in range(30):
        chain.append(call(number))
        assert chain.flush()
    before = len(files(tmp_path))
    assert Retention(size=4000)(chain) > 0
    assert Retention(size=4000)(chain) == 0
    chain.append(call(31))
    chain.close()
    assert 1 < len(files(tmp_path)) < before
    assert not wrong(tmp_path)
    files(tmp_path)[0].unlink()
    [found] = wrong(tmp_path)
    assert "not for its age or size" in found


def test_files_that_are_old_go(tmp_path: Path) -> None:
    written(tmp_path, 20, segment_bytes=1200)
    for file in files(tmp_path)[:2]:
        os.utime(file, (1, 1))
    chain = begin(tmp_path)
    assert Retention(seconds=3600)(chain) == 2
    chain.close()
    assert not wrong(tmp_path)
