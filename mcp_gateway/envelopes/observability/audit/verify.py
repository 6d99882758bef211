"""Is the record as it was written? Every line is hashed, tied to the one before it, and held against the signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.checking import ChainCheck, Report, miss
from mcp_gateway.envelopes.observability.audit.files import chains, is_written, number_of, segments
from mcp_gateway.envelopes.observability.audit.head import Head, HeadBroken
from mcp_gateway.envelopes.observability.audit.head import read as read_head

_TRIES: Final = 50


def verify(path: Path, signer: Signer, progress: Callable[[Report], None] = lambda report: None) -> Report:
    """Look at every chain below `path`. A process may be writing meanwhile. Raises `OSError`."""
    report = Report()
    folders = chains(path)
    known: dict[str, tuple[Path, int]] = {}
    for folder in folders:
        check = _Check(folder, signer, report, progress)
        check.run()
        for chain, seq in check.others.items():
            known[chain] = (folder, max(seq, known.get(chain, (folder, 0))[1]))
        report.chains += 1
    if len(folders) != 1 or folders[0] != path:  # of one chain alone nothing is known of the others
        miss(report, known)
    return report


class _Check:
    """One chain in its folder: its files, and what the head says of its end."""

    def __init__(self, folder: Path, signer: Signer, report: Report, progress: Callable[[Report], None]) -> None:
        self._folder = folder
        self._signer = signer
        self._report = report
        self._records = ChainCheck(folder.name, signer, report, progress)
        self._place: tuple[Path, int] = (folder, 0)

    @property
    def others(self) -> Mapping[str, int]:
        """What the chain says of others."""
        return self._records.others

    def run(self) -> None:
        written = is_written(self._folder)
        head = self._head(written)  # before the records: they may grow, and it must not be ahead of them
        files, records, headed = segments(self._folder), self._records, ""
        for before, after in pairwise(files):
            if number_of(after) != number_of(before) + 1:
                records.wrong(after, 0, 0, f"the file before it is gone: {before.name} comes first")
        for file in files:
            last = file == files[-1]
            for number, line in enumerate(_lines(file), 1):
                self._place = (file, number)
                if not line.endswith(b"\n") and last:
                    self._torn(file, number, written)
                    continue
                record = records.line(file, number, line)
                if record is not None and head is not None and record.link.seq == head.link.seq:
                    headed = record.link.hash
        if files:
            records.begun(files[0])
        if head is not None:
            self._ended(head, headed, written)
        if records.at is not None:
            self._report.ends[self._folder.name] = records.at

    def _head(self, written: bool) -> Head | None:
        problem = ""
        for _ in range(_TRIES if written else 1):
            try:
                return read_head(self._folder, self._signer)
            except HeadBroken as broken:
                problem = str(broken)
        self._records.wrong(self._folder / "head", 0, 0, problem)
        return None

    def _torn(self, file: Path, number: int, written: bool) -> None:
        if not written:
            seq = 0 if self._records.at is None else self._records.at.seq + 1
            self._records.note(file, number, seq, "half a record: its process was killed; the next start repairs it")

    def _ended(self, head: Head, headed: str, written: bool) -> None:
        file, number = self._place
        at = 0 if self._records.at is None else self._records.at.seq
        if at < head.link.seq:
            self._records.wrong(
                file, number, at, f"records {at + 1} to {head.link.seq}, which stood behind it, are gone"
            )
        elif headed and headed != head.link.hash:
            self._records.wrong(file, number, head.link.seq, "it is not the record of that number that was signed")
        elif at > head.link.seq and not written:
            beyond = at - head.link.seq
            if head.closed:
                self._records.wrong(file, number, at, f"{beyond} were added at the end after the chain was closed")
            else:
                self._records.note(file, number, at, f"the last {beyond} were not signed when their process ended")


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from stream
