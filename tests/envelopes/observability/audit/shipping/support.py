"""Shipping to try things on."""

from __future__ import annotations

from pathlib import Path

from mcp_gateway.envelopes.observability.audit.files import chains
from mcp_gateway.envelopes.observability.audit.shipping.cursor import Cursor
from mcp_gateway.envelopes.observability.audit.shipping.shipper import Shipper
from mcp_gateway.envelopes.observability.audit.shipping.target import Item, Target
from tests.envelopes.observability.audit.support import files


def shipper(path: Path, target: Target, *, name: str = "here", place: str = "p") -> Shipper:
    """One that ships the record at `path`."""
    return Shipper(path, Cursor(path, name, place), target)


def lines(path: Path) -> list[str]:
    """All records at `path` as they stand there, without the ends of lines."""
    return [line for file in files(path) for line in file.read_text().splitlines()]


def arrived(items: list[Item]) -> list[str]:
    """The same of what was taken: each once, those of a chain in their order."""
    found = {(item.chain, item.seq, item.hash): item.line for item in items}
    return [found[key] for key in sorted(found)]


def chain_of(path: Path) -> Path:
    """The folder of the only chain."""
    (folder,) = chains(path)
    return folder
