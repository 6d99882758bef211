"""Going on with a chain: what its last process left is looked at, mended, and said in a record.

A process that was killed may have left half a record at the end, and whole ones that the head does not speak of yet.
A machine that lost its power may have left less than the head speaks of: these records are missed for good.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.chain import MEMORY_BYTES, SEGMENT_BYTES, Chain
from mcp_gateway.envelopes.observability.audit.files import INDEX, Claim, claim, number_of, segments
from mcp_gateway.envelopes.observability.audit.head import HeadBroken
from mcp_gateway.envelopes.observability.audit.head import read as read_head
from mcp_gateway.envelopes.observability.audit.link import START, Link, read_unproved
from mcp_gateway.envelopes.observability.lines import now

REPAIRED: Final = "repaired"
OPENED: Final = "opened"

_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Left:
    """What is at the end of a chain. `told` says what was amiss; empty where nothing was."""

    link: Link
    number: int
    told: dict[str, Any]
    unindexed: Sequence[Path]


def open_chain(
    path: Path,
    signer: Signer,
    *,
    facts: Mapping[str, object],
    segment_bytes: int = SEGMENT_BYTES,
    memory_bytes: int = MEMORY_BYTES,
    tidy: Callable[[Chain], object] = lambda chain: None,
) -> Chain:
    """A chain below `path` to write to: one that was left, gone on with, or a new one. `facts` say who writes.

    Others that were left are mended too, each by a record of its own; `tidy` is called with each. Raises `OSError`.
    """
    own, others = claim(path)
    try:
        seen = [_mend(each, signer, tidy) for each in others]
        left = _look(own, signer)
        chain = Chain(own, signer, left.link, left.number, segment_bytes, memory_bytes)
        chain.finished.extend(left.unindexed)
        if left.told:
            chain.append({"time": now(), "event": REPAIRED, **left.told})
        chain.append({"time": now(), "event": OPENED, **facts, "others": [each for each in seen if each["seq"]]})
        if not chain.flush():
            raise OSError("the record of calls cannot be written")
    except OSError:
        own.leave()
        raise
    finally:
        for each in others:
            each.leave()
    return chain


def _mend(other: Claim, signer: Signer, tidy: Callable[[Chain], object]) -> dict[str, Any]:
    """Say in a chain that was left what is amiss with its end; where it ends."""
    left = _look(other, signer)
    chain = Chain(Claim(other.folder, os.dup(other.lock)), signer, left.link, left.number)
    if left.told:
        chain.append({"time": now(), "event": REPAIRED, **left.told})
    tidy(chain)
    if chain.link == left.link:
        chain.claim.leave()
    else:
        chain.close()
    link = chain.link
    return {"chain": other.chain, "seq": link.seq, "hash": link.hash}


def _look(own: Claim, signer: Signer) -> _Left:
    files = segments(own.folder)
    number = max(map(number_of, files), default=0) + 1
    torn = _cut(files[-1]) if files else b""
    unindexed = [each for each in files if not each.with_suffix(INDEX).exists()]
    last = next((link for each in reversed(files) if (link := last_link(each)) is not None), START)
    told: dict[str, Any] = {}
    if torn:
        told |= {"torn_bytes": len(torn), "torn_sha256": sha256(torn).hexdigest()}
    try:
        head = read_head(own.folder, signer)
    except HeadBroken as broken:
        if files:
            told["head"] = str(broken)
        return _Left(last, number, told, unindexed)
    if head.link.seq > last.seq:
        told |= {"missing_from": last.seq + 1, "missing_to": head.link.seq}
        last = head.link
    elif head.link.seq < last.seq:
        told["unsigned"] = last.seq - head.link.seq
    elif not head.closed:
        told["killed"] = True
    return _Left(last, number, told, unindexed)


def _cut(path: Path) -> bytes:
    """Take half a record off the end of a file; what it was. Raises `OSError`."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        at, rest = size, b""
        while at > 0 and b"\n" not in rest:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            rest = file.read(at - begin) + rest
            at = begin
        torn = rest[rest.rfind(b"\n") + 1 :]
        if torn:
            file.truncate(size - len(torn))
            os.fsync(file.fileno())
    return torn


def last_link(path: Path) -> Link | None:
    """The place of the last record of a file; half a record behind it does not count. Raises `OSError`."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at > 0 and rest.count(b"\n") < 2:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            rest = file.read(at - begin) + rest
            at = begin
    end = rest.rfind(b"\n") + 1
    record = read_unproved(rest[rest.rfind(b"\n", 0, max(0, end - 1)) + 1 : end])
    return None if record is None else record.link
