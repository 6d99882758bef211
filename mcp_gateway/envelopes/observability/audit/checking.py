"""One chain held against what a gateway writes: each record hashed, tied to the one before it, anchors to their keys.

Where the records come from, the files of the chain or a copy of them, is no matter here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.chain import ANCHOR
from mcp_gateway.envelopes.observability.audit.head import stated
from mcp_gateway.envelopes.observability.audit.link import START, Broken, Link, Record, read, read_unproved
from mcp_gateway.envelopes.observability.audit.opening import OPENED, REPAIRED

RETENTION: Final = "retention"

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


class ChainCheck:
    """One chain, line by line. What is found goes into `report`."""

    def __init__(self, chain: str, signer: Signer, report: Report, progress: Callable[[Report], None]) -> None:
        self.chain = chain
        self.at: Link | None = None
        """The last record so far."""
        self.first: Record | None = None
        self.anchored = 0
        """The last record that a signature proves."""
        self.others: dict[str, int] = {}
        """What it says of other chains: how many records they had."""
        self._signer = signer
        self._report = report
        self._progress = progress
        self._removed: dict[int, str] = {}

    def line(self, file: Path, number: int, line: bytes) -> Record | None:
        """Look at the next line; the record that it is, if it is one as it was written."""
        self._report.records += 1
        self._progress(self._report)
        expected = 0 if self.at is None else self.at.seq + 1
        record: Record | None
        try:
            record = read(line)
        except Broken as broken:
            self.wrong(file, number, expected, str(broken))
            record = read_unproved(line)
            # What follows is held against what the line says of itself, as long as that can be.
            if record is None or (expected and record.link.seq != expected):
                self.at = None if self.at is None else Link(expected, "")
            else:
                self.at = record.link
            return None
        self._tied(file, number, record)
        self.at = record.link
        if self.first is None:
            self.first = record
        self._told(file, number, record)
        return record

    def _tied(self, file: Path, number: int, record: Record) -> None:
        link, at = record.link, self.at
        if record.chain != self.chain:
            self.wrong(file, number, link.seq, f"this record is of another chain, {record.chain[:64]!a}")
        if at is None:
            return
        if link.seq == at.seq + 1:
            if at.hash and record.prev != at.hash:
                self.wrong(file, number, link.seq, "the record before it is not the one that it was written behind")
        elif link.seq > at.seq + 1:
            missing = (
                f"record {at.seq + 1} is" if link.seq == at.seq + 2 else f"records {at.seq + 1} to {link.seq - 1} are"
            )
            self.wrong(file, number, link.seq, f"{missing} missing before it")
        else:
            self.wrong(file, number, link.seq, f"out of order: it stands behind record {at.seq}")

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
                self.note(file, number, seq, f"{fields.get('dropped')} records were dropped before it: no room")

    def _anchored(self, file: Path, number: int, record: Record) -> None:
        fields, seq = record.fields, record.link.seq
        key, signature = str(fields.get("key")), str(fields.get("signature"))
        if not self._signer.knows(key):
            self.wrong(file, number, seq, f"signed with the key {key[:16]!a}, which is not in `state.encryption_keys`")
        elif not self._signer.fits(key, signature, stated(ANCHOR, record.chain, Link(seq - 1, record.prev))):
            self.wrong(file, number, seq, "the signature of this anchor does not fit what stands before it")
        else:
            self.anchored = seq - 1

    def _repaired(self, file: Path, number: int, record: Record) -> None:
        fields, seq = record.fields, record.link.seq
        if "head" in fields:
            self.wrong(file, number, seq, f"when the chain was gone on with, {fields['head']}")
        if "torn_bytes" in fields:
            self.note(file, number, seq, f"half a record, {fields['torn_bytes']} bytes, was cut off before it")
        if "unsigned" in fields:
            self.note(file, number, seq, f"the {fields['unsigned']} before it were not signed when their process ended")
        if "missing_from" in fields:
            self.note(file, number, seq, "what is missing before it was missing when the chain was gone on with")

    def begun(self, file: Path) -> None:
        """The beginning of a chain may have been removed by the gateway, which says so further on."""
        first = self.first
        if first is None or (first.link.seq == 1 and first.prev == START.hash):
            return
        if self._removed.get(first.link.seq - 1) != first.prev:
            self.wrong(file, 1, first.link.seq, "what stands before it was removed, and not for its age or size")

    def wrong(self, file: Path, line: int, seq: int, what: str) -> None:
        self._report.findings.append(Finding(file, line, seq, what))

    def note(self, file: Path, line: int, seq: int, what: str) -> None:
        self._report.findings.append(Finding(file, line, seq, what, "note"))


def problems(report: Report) -> Sequence[Finding]:
    """What is wrong, without notes."""
    return [each for each in report.findings if each.gravity == "wrong"]


def miss(report: Report, known: Mapping[str, tuple[Path, int]]) -> None:
    """Find chains that others speak of and that are gone, or shorter than they were. `known` has for each of them who
    speaks of it, and how many records it had."""
    for chain, (where, seq) in known.items():
        end = report.ends.get(chain)
        if end is None:
            report.findings.append(Finding(where, 0, 0, f"it speaks of the chain {chain}, which is gone"))
        elif end.seq < seq:
            report.findings.append(Finding(where, 0, 0, f"the chain {chain} had {seq} records and has {end.seq}"))
