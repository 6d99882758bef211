"""Is a copy of the record as it was written? Lines of several chains, as they were shipped: some perhaps twice.

A copy has no head. What its last anchor does not speak of yet may be incomplete at the end, which is said.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.checking import ChainCheck, Finding, Report, miss
from mcp_gateway.envelopes.observability.audit.link import Broken, Link, read, read_unproved

_DIGITS: Final = 16
"""Of a hash, kept for each record: what arrives again is held against it."""

_NONE: Final = ""
"""The chain of lines that name none."""


@dataclass(slots=True)
class _Copied:
    """A chain of a copy. `known` has the beginnings of the hashes of the records from `since` on."""

    check: ChainCheck
    since: int = 0
    known: array[int] = field(default_factory=lambda: array("Q"))

    def repeats(self, line: bytes) -> bool:
        """Whether the line is a record that was there before, as it was."""
        try:
            link = read(line).link
        except Broken:
            return False
        at = link.seq - self.since
        return 0 <= at < len(self.known) and self.known[at] == _short(link)

    def keep(self, link: Link) -> None:
        """Remember a record, if it is the next one."""
        if not self.known:
            self.since = link.seq
        if link.seq == self.since + len(self.known):
            self.known.append(_short(link))
        elif link.seq > self.since + len(self.known):  # some are missing between, and were found to be
            self.since, self.known = link.seq, array("Q", [_short(link)])


def verify_copy(
    lines: Iterable[bytes],
    where: Path,
    signer: Signer,
    progress: Callable[[Report], None] = lambda report: None,
    *,
    part: bool = False,
    taken: Mapping[str, int] = MappingProxyType({}),
) -> Report:
    """Look at the lines of a copy, those of a chain in their order. `where` is what findings call it.

    `part`: it has some of the record only, and that a chain begins later, ends earlier or is not there is no fault.
    `taken`: how many records of a chain were acknowledged, where that is known. Raises what `lines` raises.
    """
    report = Report()
    found: dict[str, _Copied] = {}
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            report.findings.append(Finding(where, number, 0, "half a record: it may still be written", "note"))
            continue
        record = read_unproved(line)
        name = _NONE if record is None else record.chain
        copied = found.get(name)
        if copied is None:
            copied = found[name] = _Copied(ChainCheck(name, signer, report, progress))
        at = copied.check.at
        if record is not None and at is not None and record.link.seq <= at.seq and copied.repeats(line):
            continue
        known = copied.check.line(where, number, line)
        if known is not None:
            copied.keep(known.link)
    checks = [copied.check for name, copied in found.items() if name != _NONE]
    report.chains = len(checks)
    for check in checks:
        _ended(check, where, report, part=part)
    if not part:
        miss(report, {chain: (where, seq) for check in checks for chain, seq in check.others.items()})
        for chain, seq in taken.items():
            at = report.ends.get(chain)
            if at is None or at.seq < seq:
                told = f"of the chain {chain}, {seq} records were taken, and {0 if at is None else at.seq} are there"
                report.findings.append(Finding(where, 0, 0, told))
    return report


def _ended(check: ChainCheck, where: Path, report: Report, *, part: bool) -> None:
    if not part:
        check.begun(where)
    elif check.first is not None and check.first.link.seq > 1:
        check.note(where, 0, check.first.link.seq, f"of the chain {check.chain} it begins here")
    if check.at is None:
        return
    report.ends[check.chain] = check.at
    unsigned = check.at.seq - check.anchored
    if unsigned > 1:
        told = f"of the chain {check.chain}, the last {unsigned} are not signed in this copy: more may be missing there"
        check.note(where, 0, check.at.seq, told)


def _short(link: Link) -> int:
    return int(link.hash[:_DIGITS], 16)
