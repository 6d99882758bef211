"""Batches: whole lines, in order, across files, each with where it leaves the reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.envelopes.observability.audit.shipping import reading as module
from mcp_gateway.envelopes.observability.audit.shipping.reading import Batch, Behind, Position, behind, read_batch
from tests.envelopes.observability.audit.shipping.support import chain_of, lines
from tests.envelopes.observability.audit.support import begin, call, files, leave, written


def all_of(folder: Path, at: Position = Position()) -> tuple[list[str], list[Batch]]:  # noqa: B008 -- it is frozen
    """The lines from a position on, and the batches that they came in."""
    found: list[Batch] = []
    while (batch := read_batch(folder, at)) is not None:
        found.append(batch)
        at = batch.position
    return [item.line for batch in found for item in batch.items], found


@pytest.mark.parametrize("most", [1, 3, 500])
def test_all_lines_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(module, "MOST_RECORDS", most)
    written(tmp_path, 40, segment_bytes=2000)
    assert len(files(tmp_path)) > 5
    folder = chain_of(tmp_path)
    found, batches = all_of(folder)
    assert found == lines(tmp_path)
    assert all(len(batch.items) <= most for batch in batches)
    assert not any(batch.missing or batch.unreadable for batch in batches)
    assert behind(folder, batches[-1].position) == Behind()
    size = sum(file.stat().st_size for file in files(tmp_path))
    assert behind(folder, Position()) == Behind(42, size)
    half = batches[len(batches) // 2].position
    assert behind(folder, half).records == 42 - half.seq
    assert all_of(folder, half)[0] == lines(tmp_path)[half.seq :]


def test_a_record_longer_than_a_batch_comes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 600)
    chain = begin(tmp_path)
    chain.append(call(1))
    chain.append(call(2, padding="x" * 5000))
    chain.append(call(3))
    chain.close()
    found, batches = all_of(chain_of(tmp_path))
    assert found == lines(tmp_path)
    assert max(len(item.line) for batch in batches for item in batch.items) > 5000


def test_half_a_record_is_not_read_until_it_is_whole(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    chain.append(call(1))
    assert chain.flush()
    folder = chain_of(tmp_path)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    found, batches = all_of(folder)
    assert found == lines(tmp_path)[:1]
    assert behind(folder, batches[-1].position).records == 0
    assert read_batch(folder, batches[-1].position) is None
    file.write_bytes(whole)
    assert all_of(folder, batches[-1].position)[0] == lines(tmp_path)[1:]
    leave(chain)


def test_half_a_record_in_a_file_with_another_behind_it_is_counted(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    chain.append(call(1))
    assert chain.flush()
    with files(tmp_path)[0].open("ab") as file:
        file.write(b'{"half')
    chain.again()
    chain.append(call(2))
    chain.close()
    found, batches = all_of(chain_of(tmp_path))
    assert found == [line for line in lines(tmp_path) if not line.startswith('{"half')]
    assert sum(batch.unreadable for batch in batches) == 1
    assert sum(batch.missing for batch in batches) == 0


def test_lines_that_are_no_records_are_left_out_and_counted(tmp_path: Path) -> None:
    written(tmp_path, 3)
    (file,) = files(tmp_path)
    whole = file.read_bytes().splitlines(keepends=True)
    foreign = whole[1].replace(chain_of(tmp_path).name.encode(), b"other")
    strange = whole[2][:-10] + b"\x00" + whole[2][-9:]
    file.write_bytes(b"".join([whole[0], b"what?\n", foreign, strange, *whole[3:]]))
    found, (batch,) = all_of(chain_of(tmp_path))
    assert len(found) == 3 and batch.unreadable == 3
    assert batch.position.offset == file.stat().st_size


def test_files_that_are_gone_are_noticed(tmp_path: Path) -> None:
    written(tmp_path, 20, segment_bytes=1500)
    folder = chain_of(tmp_path)
    first = read_batch(folder, Position())
    assert first is not None
    gone = files(tmp_path)[1]
    count = gone.read_bytes().count(b"\n")
    gone.unlink()
    _, batches = all_of(folder, first.position)
    assert sum(batch.missing for batch in batches) == count


def test_a_file_that_is_shorter_than_it_was_is_gone_on_with(tmp_path: Path) -> None:
    written(tmp_path, 3)
    assert read_batch(chain_of(tmp_path), Position(1, 10**9, 5)) is None
    assert behind(chain_of(tmp_path), Position(1, 10**9, 5)) == Behind()
    written(tmp_path, 1)
    found, _ = all_of(chain_of(tmp_path), Position(1, 10**9, 5))
    assert [line for line in found if '"call"' in line]


def test_files_with_other_names_are_none_of_the_chain(tmp_path: Path) -> None:
    written(tmp_path, 1)
    (chain_of(tmp_path) / "notes.jsonl").write_text("what?\n")
    assert len(all_of(chain_of(tmp_path))[0]) == 3
