"""Chains to try things on."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.chain import MEMORY_BYTES, SEGMENT_BYTES, Chain
from mcp_gateway.envelopes.observability.audit.checking import Report
from mcp_gateway.envelopes.observability.audit.files import chains, segments
from mcp_gateway.envelopes.observability.audit.opening import open_chain
from mcp_gateway.envelopes.observability.audit.verify import verify

SIGNER = Signer([b"k" * 32], "audit/chain")


def begin(path: Path, *, segment_bytes: int = SEGMENT_BYTES, memory_bytes: int = MEMORY_BYTES) -> Chain:
    """A chain below `path`, as a process opens it."""
    return open_chain(path, SIGNER, facts={"pid": 1}, segment_bytes=segment_bytes, memory_bytes=memory_bytes)


def call(number: int, *, padding: str = "") -> dict[str, object]:
    """A record as calls have it."""
    return {
        "time": f"2026-01-01T00:00:{number // 1000:02d}.{number % 1000:03d}Z",
        "event": "call",
        "request_id": f"aabbccddeeff-{number:x}",
        "principal": "corp|alice",
        "outcome": "ok",
        "duration_ms": 1.25,
        "padding": padding,
    }


def written(path: Path, count: int, *, segment_bytes: int = SEGMENT_BYTES) -> None:
    """A closed chain of `count` calls, a file for each few where `segment_bytes` is small."""
    chain = begin(path, segment_bytes=segment_bytes)
    for number in range(count):
        chain.append(call(number))
        assert chain.flush()
    chain.close()


def leave(chain: Chain) -> None:
    """What a kill does: the kernel has what was flushed, and nobody holds the lock."""
    chain.claim.leave()


def files(path: Path) -> list[Path]:
    """All files of records below `path`."""
    return [file for folder in chains(path) for file in segments(folder)]


def verified(path: Path) -> Report:
    """What `verify` says."""
    return verify(path, SIGNER)


def wrong(path: Path) -> list[str]:
    """What is wrong, as people read it, without the folder."""
    return [str(each).removeprefix(str(path) + "/") for each in verified(path).findings if each.gravity == "wrong"]


def notes(path: Path) -> list[str]:
    """What is to be known and not wrong."""
    return [each.what for each in verified(path).findings if each.gravity == "note"]
