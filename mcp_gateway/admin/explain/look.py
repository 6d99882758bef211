"""Looking a request up in the record. Reads files: not to be called in the event loop."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.admin.explain.story import Story, tell
from mcp_gateway.envelopes.observability.audit.find import introduced, of_request


def story_of(path: Path, request_id: str) -> Story | None:
    """The story of a request; None if the record at `path` does not know it. Raises `OSError`."""
    records = of_request(path, request_id)
    if not records:
        return None
    digest = next((each["asked"]["who"] for each in records if "who" in (each.get("asked") or {})), None)
    who = None if digest is None else introduced(path, str(digest), str(records[-1].get("chain")))
    return tell(request_id, records, who)
