"""Is the record as it was written? Every line is hashed, tied to the one before it, and held against the signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.chain import ANCHOR
from mcp_gateway.envelopes.observability.audit.files import chains, is_written, number_of, segments
from mcp_gateway.envelopes.observability.audit.head import Head, HeadBroken, stated
from mcp_gateway.envelopes.observability.audit.head import read as read_head
from mcp_gateway.envelopes.observability.audit.link import START, Broken, Link, Record, read, read_unproved
from mcp_gateway.envelopes.observability.audit.opening import OPENED, REPAIRED

RETENTION: Final = "retention"
_TRIES: Final = 50

Gravity = Literal["wrong", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know of a chain, and where. A note is no fault: what a process that was killed left, for example.

    `line` and `seq` are 0 where it is about no line of a file.
    """

    file: Path
    line: int
    seq: int
    what: str
    gravity: Gravity = "wrong"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{where}: seq {self.seq}: {self.what}" if self.seq else f"{where}: {self.what}"


@dataclass(slots=True)
class Report:
    """What came out. `ends`: the last record of each chain, by its name."""

    records: int = 0
    chains: int = 0
    anchors: int = 0
    findings: list[Finding] = field(default_factory=list)
    ends: dict[str, Link] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not any(each.gravity == "wrong" for each in self.findings)


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
        for chain, (folder, seq) in known.items():
            end = report.ends.get(chain)
            if end is None:
                report.findings.append(Finding(folder, 0, 0, f"it speaks of the chain {chain}, which is gone"))
            elif end.seq < seq:
                report.findings.append(Finding(folder, 0, 0, f"the chain {chain} had {seq} records and has {end.seq}"))
    return report


class _Check:
    """One chain."""

    def __init__(self, folder: Path, signer: Signer, report: Report, progress: Callable[[Report], None]) -> None:
        self._folder = folder
        self._signer = signer
        self._report = report
        self._progress = progress
        self._at: Link | None = None
        self._before: Link | None = None
        self._removed: dict[int, str] = {}
        self._first: Record | None = None
        self._headed: Link | None = None
        self._place: tuple[Path, int] = (folder, 0)
        self.others: dict[str, int] = {}

    def run(self) -> None:
        written = is_written(self._folder)
        head = self._head(written)  # before the records: they may grow, and it must not be ahead of them
        files = segments(self._folder)
        for before, after in pairwise(files):
            if number_of(after) != number_of(before) + 1:
                self._wrong(after, 0, 0, f"the file before it is gone: {before.name} comes first")
        for file in files:
            last = file == files[-1]
            for number, line in enumerate(_lines(file), 1):
                self._place = (file, number)
                if not line.endswith(b"\n") and last:
                    self._torn(file, number, written)
                else:
                    self._line(file, number, line, head)
        self._begun()
        if head is not None:
            self._ended(head, written)
        if self._at is not None:
            self._report.ends[self._folder.name] = self._at

    def _head(self, written: bool) -> Head | None:
        problem = ""
        for _ in range(_TRIES if written else 1):
            try:
                return read_head(self._folder, self._signer)
            except HeadBroken as broken:
                problem = str(broken)
        self._wrong(self._folder / "head", 0, 0, problem)
        return None

    def _torn(self, file: Path, number: int, written: bool) -> None:
        if not written:
            seq = 0 if self._at is None else self._at.seq + 1
            self._note(file, number, seq, "half a record: its process was killed; the next start repairs it")

    def _line(self, file: Path, number: int, line: bytes, head: Head | None) -> None:
        self._report.records += 1
        self._progress(self._report)
        expected = 0 if self._at is None else self._at.seq + 1
        record: Record | None
        try:
            record = read(line)
        except Broken as broken:
            self._wrong(file, number, expected, str(broken))
            record = read_unproved(line)
            # What follows is held against what the line says of itself, as long as that can be.
            if record is None or (expected and record.link.seq != expected):
                self._at = None if self._at is None else Link(expected, "")
            else:
                self._at = record.link
            return
        self._tied(file, number, record)
        self._at = record.link
        if self._first is None:
            self._first = record
        if head is not None and record.link.seq == head.link.seq:
            self._headed = record.link
        self._told(file, number, record)

    def _tied(self, file: Path, number: int, record: Record) -> None:
        link, at = record.link, self._at
        if record.chain != self._folder.name:
            self._wrong(file, number, link.seq, f"this record is of another chain, {record.chain[:64]!a}")
        if at is None:
            return
        if link.seq == at.seq + 1:
            if at.hash and record.prev != at.hash:
                self._wrong(file, number, link.seq, "the record before it is not the one that it was written behind")
        elif link.seq > at.seq + 1:
            missing = (
                f"record {at.seq + 1} is" if link.seq == at.seq + 2 else f"records {at.seq + 1} to {link.seq - 1} are"
            )
            self._wrong(file, number, link.seq, f"{missing} missing before it")
        else:
            self._wrong(file, number, link.seq, f"out of order: it stands behind record {at.seq}")

    def _told(self, file: Path, number: int, record: Record) -> None:
        """What records of the chain itself say of it."""
        fields, seq = record.fields, record.link.seq
        match fields.get("event"):
            case event if event == ANCHOR:
                self._report.anchors += 1
                self._anchored(file, number, record)
            case event if event == RETENTION:
                self._removed[int(fields.get("through", 0))] = str(fields.get("hash", ""))
            case event if event == OPENED:
                for other in fields.get("others", ()):
                    self.others[str(other.get("chain"))] = int(other.get("seq", 0))
            case event if event == REPAIRED:
                self._repaired(file, number, record)
            case "gap":
                self._note(file, number, seq, f"{fields.get('dropped')} records were dropped before it: no room")

    def _anchored(self, file: Path, number: int, record: Record) -> None:
        fields, seq = record.fields, record.link.seq
        key, signature = str(fields.get("key")), str(fields.get("signature"))
        if not self._signer.knows(key):
            self._wrong(file, number, seq, f"signed with the key {key[:16]!a}, which is not in `state.encryption_keys`")
        elif not self._signer.fits(key, signature, stated(ANCHOR, record.chain, Link(seq - 1, record.prev))):
            self._wrong(file, number, seq, "the signature of this anchor does not fit what stands before it")

    def _repaired(self, file: Path, number: int, record: Record) -> None:
        fields, seq = record.fields, record.link.seq
        if "head" in fields:
            self._wrong(file, number, seq, f"when the chain was gone on with, {fields['head']}")
        if "torn_bytes" in fields:
            self._note(file, number, seq, f"half a record, {fields['torn_bytes']} bytes, was cut off before it")
        if "unsigned" in fields:
            self._note(
                file, number, seq, f"the {fields['unsigned']} before it were not signed when their process ended"
            )
        if "missing_from" in fields:
            self._note(file, number, seq, "what is missing before it was missing when the chain was gone on with")

    def _begun(self) -> None:
        """The beginning of a chain may have been removed by the gateway, which says so further on."""
        first = self._first
        if first is None or (first.link.seq == 1 and first.prev == START.hash):
            return
        if self._removed.get(first.link.seq - 1) != first.prev:
            file = segments(self._folder)[0]
            self._wrong(file, 1, first.link.seq, "what stands before it was removed, and not for its age or size")

    def _ended(self, head: Head, written: bool) -> None:
        file, number = self._place
        at = 0 if self._at is None else self._at.seq
        if at < head.link.seq:
            self._wrong(file, number, at, f"records {at + 1} to {head.link.seq}, which stood behind it, are gone")
        elif self._headed is not None and self._headed.hash != head.link.hash:
            self._wrong(file, number, head.link.seq, "it is not the record of that number that was signed")
        elif at > head.link.seq and not written:
            beyond = at - head.link.seq
            if head.closed:
                self._wrong(file, number, at, f"{beyond} were added at the end after the chain was closed")
            else:
                self._note(file, number, at, f"the last {beyond} were not signed when their process ended")

    def _wrong(self, file: Path, line: int, seq: int, what: str) -> None:
        self._report.findings.append(Finding(file, line, seq, what))

    def _note(self, file: Path, line: int, seq: int, what: str) -> None:
        self._report.findings.append(Finding(file, line, seq, what, "note"))


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        yield from stream


def problems(report: Report) -> Sequence[Finding]:
    """What is wrong, without notes."""
    return [each for each in report.findings if each.gravity == "wrong"]
