"""Copies in a file: whole lines, whatever happened to the file before."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.envelopes.observability.audit.shipping import file as module
from mcp_gateway.envelopes.observability.audit.shipping.file import FileTarget
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, MemoryTarget, NotTaken
from tests.core.spool.test_spool import files_of_at_most
from tests.envelopes.observability.audit.shipping.support import lines, shipper
from tests.envelopes.observability.audit.support import written


def test_the_file_has_the_record_line_by_line(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy.jsonl"
    written(tmp_path / "audit", 1000)
    assert shipper(tmp_path / "audit", FileTarget(copy)).once()
    assert copy.read_text().splitlines() == lines(tmp_path / "audit")
    assert copy.stat().st_mode & 0o777 == 0o600
    copy.rename(copy.with_suffix(".1"))  # as what rotates files does
    written(tmp_path / "audit", 2)
    assert shipper(tmp_path / "audit", FileTarget(copy)).once()
    assert copy.read_text().splitlines() == lines(tmp_path / "audit")[-4:]


@pytest.mark.parametrize("block", [4, 64 * 1024])
@pytest.mark.parametrize("left", [b"", b"{}\n", b'{}\n{"half', b'{"half'])
def test_half_a_line_that_was_left_is_taken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    written(tmp_path / "audit", 1)
    copy = tmp_path / "copy"
    copy.write_bytes(left)
    assert shipper(tmp_path / "audit", FileTarget(copy)).once()
    assert copy.read_text().splitlines() == [*(["{}"] if b"\n" in left else []), *lines(tmp_path / "audit")]


def test_a_disk_that_is_full_keeps_no_halves(tmp_path: Path) -> None:
    written(tmp_path / "audit", 20)
    copy = tmp_path / "copy"
    copy.write_text("before\n")
    items = _items(tmp_path / "audit")
    with files_of_at_most(2000), pytest.raises(NotTaken, match="OSError"):
        FileTarget(copy).send(items)
    assert copy.read_text() == "before\n"
    assert shipper(tmp_path / "audit", FileTarget(copy)).once()
    assert copy.read_text().splitlines()[1:] == lines(tmp_path / "audit")


def _items(path: Path) -> list[Item]:
    memory = MemoryTarget()
    assert shipper(path, memory, name="memory").once()
    assert sum(len(item.line) for item in memory.items) > 2000
    return memory.items


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    written(tmp_path / "audit", 1)
    (tmp_path / "file").write_text("")
    here = shipper(tmp_path / "audit", FileTarget(tmp_path / "file" / "copy"))
    assert not here.once() and here.failing in {"FileExistsError", "NotADirectoryError"}
