"""Protocol versions of MCP that the gateway serves."""

from __future__ import annotations

from typing import Final

MODERN: Final = ("2026-07-28",)
"""Versions with per-request metadata, newest first."""

HANDSHAKE: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Versions that begin with `initialize`, newest first."""
