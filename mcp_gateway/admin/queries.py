"""Parameters that several lists of the control plane have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from mcp_gateway.admin.cursors import LONGEST

Cursor = Annotated[str | None, Query(max_length=LONGEST, description="What `next` of the page before said.")]
Since = Annotated[
    str | None, Query(max_length=64, description="From this time on (2026-01-31T12:00:00Z), or how long ago (24h).")
]
Until = Annotated[str | None, Query(max_length=64, description="Before this time, written alike.")]
By = Annotated[list[str] | None, Query(max_length=8, description="What to group by; repeat it, or separate by commas.")]


def keys_of(given: list[str] | None, default: str) -> tuple[str, ...]:
    """The keys to group by, each once, in their order."""
    written = [default] if given is None else given
    keys = (key.strip() for each in written for key in each.split(","))
    return tuple(dict.fromkeys(key for key in keys if key))
