"""Whatever is done to a record that was written, `verify` says that it was, and where."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.chain import ANCHOR_EVERY
from mcp_gateway.envelopes.observability.audit.files import HEAD, chains
from mcp_gateway.envelopes.observability.audit.link import START, seal
from mcp_gateway.envelopes.observability.audit.verify import verify
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

LINES = 14
"""Records of the chain below, with those that open and close it."""


@lru_cache(maxsize=1)
def pattern() -> tuple[str, bytes, tuple[bytes, ...]]:
    """A small closed chain in three files: its name, its head, its files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        written(path, LINES - 2, segment_bytes=1700)
        found = files(path)
        assert len(found) >= 3 and sum(file.read_bytes().count(b"\n") for file in found) == LINES
        return found[0].parent.name, (found[0].parent / HEAD).read_bytes(), tuple(file.read_bytes() for file in found)


def laid(path: Path, contents: list[bytes], head: bytes | None = None) -> None:
    """A chain with these files."""
    name, old_head, _ = pattern()
    folder = path / name
    folder.mkdir()
    (folder / HEAD).write_bytes(old_head if head is None else head)
    for number, content in enumerate(contents, 1):
        (folder / f"{number:012d}.jsonl").write_bytes(content)


def found_in(contents: list[bytes], head: bytes | None = None) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        laid(Path(folder), contents, head)
        return wrong(Path(folder))


def relined(edit: Callable[[list[bytes]], None]) -> list[bytes]:
    """The files of the pattern with all its lines edited; those added or left over go to the last file."""
    contents = pattern()[2]
    lines = [line for content in contents for line in content.splitlines(keepends=True)]
    edit(lines)
    out: list[bytes] = []
    for content in contents[:-1]:
        count = content.count(b"\n")
        out.append(b"".join(lines[:count]))
        lines = lines[count:]
    return [*out, b"".join(lines)]


def test_as_written_it_is_sound(tmp_path: Path) -> None:
    laid(tmp_path, list(pattern()[2]))
    report = verified(tmp_path)
    assert report.sound and not report.findings
    assert (report.records, report.chains) == (LINES, 1)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_byte_changed(data: st.DataObject) -> None:
    contents = list(pattern()[2])
    which = data.draw(st.integers(0, len(contents) - 1))
    at = data.draw(st.integers(0, len(contents[which]) - 1))
    byte = data.draw(st.integers(1, 255))
    changed = bytearray(contents[which])
    changed[at] ^= byte
    contents[which] = bytes(changed)
    found = found_in(contents)
    assert found
    line = pattern()[2][which][:at].count(b"\n") + 1
    assert any(f"{which + 1:012d}.jsonl:{line}:" in each or f"jsonl:{line - 1}:" in each for each in found), found


@given(st.integers(0, len(pattern()[1].rstrip()) - 1), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_any_byte_of_the_head_changed(at: int, byte: int) -> None:
    head = bytearray(pattern()[1])
    head[at] ^= byte
    assert found_in(list(pattern()[2]), bytes(head))


@given(st.integers(0, LINES - 1))
@settings(deadline=None)
def test_any_record_removed(at: int) -> None:
    found = found_in(relined(lambda lines: lines.__delitem__(at)))
    assert len(found) == 1
    assert f"seq {at + 2}" in found[0] or f"records {at + 1} to {at + 1}" in found[0]


@given(st.integers(0, LINES - 1), st.integers(0, LINES - 1))
@settings(deadline=None)
def test_any_two_swapped(one: int, other: int) -> None:
    def swap(lines: list[bytes]) -> None:
        lines[one], lines[other] = lines[other], lines[one]

    assert bool(found_in(relined(swap))) == (one != other)


@given(st.integers(0, LINES - 1), st.integers(0, LINES))
@settings(deadline=None)
def test_any_record_twice(which: int, at: int) -> None:
    assert found_in(relined(lambda lines: lines.insert(at, lines[which])))


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_file_removed(tmp_path: Path, gone: int) -> None:
    laid(tmp_path, list(pattern()[2]))
    files(tmp_path)[gone].unlink()
    assert wrong(tmp_path)


@pytest.mark.parametrize("begin_at", [0, 5, LINES - 1])
def test_all_rewritten_from_somewhere_on(begin_at: int) -> None:
    """Hashes are made again as the gateway makes them: only what is signed gives it away."""

    def rewrite(lines: list[bytes]) -> None:
        link = START
        for number, line in enumerate(lines):
            fields = orjson.loads(line)
            if number >= begin_at:
                fields = {**fields, "principal": "corp|mallory", "prev": link.hash}
            bare = {name: value for name, value in fields.items() if name not in {"hash", "seq", "prev", "chain"}}
            lines[number], link = seal(bare, fields["chain"], link)

    found = found_in(relined(rewrite))
    assert len(found) == 1 and "signed" in found[0]


def test_an_anchor_is_held_against_what_stands_before_it(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    for number in range(ANCHOR_EVERY):
        chain.append(call(number))
    chain.close()
    report = verified(tmp_path)
    assert report.sound and report.anchors == 1
    elsewhere = verify(tmp_path, Signer([b"o" * 32], "audit/chain"))
    assert sum("state.encryption_keys" in each.what for each in elsewhere.findings) == 2  # the head's and the anchor's
    later = Signer([b"n" * 32, b"k" * 32], "audit/chain")
    assert verify(tmp_path, later).sound


def test_a_chain_that_another_speaks_of_is_missed(tmp_path: Path) -> None:
    first, second = begin(tmp_path), begin(tmp_path)
    first.close()
    second.close()
    third = begin(tmp_path)
    third.close()
    assert not wrong(tmp_path)
    [gone] = [each for each in chains(tmp_path) if each.name != third.claim.chain]
    shutil.rmtree(gone)
    [found] = wrong(tmp_path)
    assert gone.name in found and "gone" in found


def test_records_added_to_a_closed_chain(tmp_path: Path) -> None:
    written(tmp_path, 3)
    report = verified(tmp_path)
    [(name, end)] = report.ends.items()
    line, _ = seal(call(9), name, end)
    with files(tmp_path)[-1].open("ab") as file:
        file.write(line)
    [found] = wrong(tmp_path)
    assert "after the chain was closed" in found


def test_while_it_is_written(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    for number in range(5):
        chain.append(call(number))
        assert chain.flush()
        assert verified(tmp_path).findings == []
    chain.close()


def test_a_killed_writer_leaves_notes_only(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    chain.append(call(1))
    assert chain.flush()
    line, _ = seal(call(2), chain.claim.chain, chain.link)
    with files(tmp_path)[-1].open("ab") as file:
        file.write(line[:100])
    leave(chain)
    assert not wrong(tmp_path)
    assert ["half a record" in each for each in notes(tmp_path)] == [True]


def test_keys_of_the_signer_are_not_shown() -> None:
    assert "kkkk" not in repr(SIGNER)
