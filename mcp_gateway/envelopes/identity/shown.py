"""Connections as JSON objects, the same on the control plane and on the command line. No secret in them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mcp_gateway.envelopes.identity.connections import Disconnected
from mcp_gateway.envelopes.identity.stores import Connection


def show_connection(connection: Connection) -> dict[str, Any]:
    """All there is to show of a connection; times are ISO 8601 in UTC."""
    times = {name: _time(getattr(connection, name)) for name in ("created_at", "updated_at", "expires_at")}
    return {**asdict(connection), "scopes": list(connection.scopes), **times}


def show_disconnected(done: Disconnected) -> dict[str, Any]:
    """What became of a connection that was ended."""
    return {"principal": done.key.principal, "upstream": done.key.upstream, "revocation": done.revocation}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
