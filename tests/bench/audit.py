"""What the audit record costs: `python -m tests.bench.audit [RECORDS]` prints one JSON line."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.files import chains, segments
from mcp_gateway.envelopes.observability.audit.find import of_request
from mcp_gateway.envelopes.observability.audit.index import build
from mcp_gateway.envelopes.observability.audit.opening import open_chain
from mcp_gateway.envelopes.observability.audit.verify import verify

SIGNER = Signer([b"k" * 32], "audit/chain")
LOOKUPS = 20


def call(number: int) -> dict[str, object]:
    """A record of the usual size."""
    return {
        "time": "2026-01-01T00:00:00.000Z",
        "event": "call",
        "request_id": f"aabbccddeeff-{number:x}",
        "server": "finance-agent",
        "principal": f"corp|{number % 5000}",
        "agent": "desk",
        "method": "tools/call",
        "upstream": "ledger",
        "target": "post_entry",
        "decision": "allow",
        "policies": ("finance-small",),
        "asked": {"who": "0" * 24, "action": "ledger/post_entry", "type": "Tool", "resource": "ledger/post_entry"},
        "outcome": "ok",
        "reason": None,
        "client": "bench",
        "version": "2026-07-28",
        "snapshot": "0123456789ab",
        "duration_ms": 1.25,
        "upstream_ms": 0.75,
    }


def measure(path: Path, records: int) -> dict[str, object]:
    """Writes `records`, each flushed by itself as intents are, finds some, and verifies all."""
    chain = open_chain(path, SIGNER, facts={})
    started = time.perf_counter()
    for number in range(records):
        chain.append(call(number))
        chain.flush()
    writing = time.perf_counter() - started
    chain.close()
    started = time.perf_counter()
    for folder in chains(path):
        for file in segments(folder):
            build(file)
    indexing = time.perf_counter() - started
    taken: list[float] = []
    for number in range(0, records, max(1, records // LOOKUPS)):
        started = time.perf_counter()
        assert len(of_request(path, f"aabbccddeeff-{number:x}")) == 1
        taken.append((time.perf_counter() - started) * 1000)
    started = time.perf_counter()
    report = verify(path, SIGNER)
    verifying = time.perf_counter() - started
    assert report.sound and report.records >= records
    return {
        "records": records,
        "files": sum(len(segments(folder)) for folder in chains(path)),
        "records_per_second": round(records / writing),
        "index_seconds": round(indexing, 2),
        "find_ms_median": round(sorted(taken)[len(taken) // 2], 2),
        "find_ms_most": round(max(taken), 2),
        "verified_per_second": round(report.records / verifying),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)))
