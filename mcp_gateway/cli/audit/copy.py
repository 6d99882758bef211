"""Which copy of the record a command looks at: of a place that is shipped to, of a database, or in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from mcp_gateway.cli.state import stopped
from mcp_gateway.envelopes.observability.audit.shipping.cursor import Cursor
from mcp_gateway.envelopes.observability.audit.shipping.postgres import PostgresTarget
from mcp_gateway.envelopes.observability.audit.shipping.target import NotTaken
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.shipping import Destination, ShipSettings, named

STDIN = "-"


def lines_of(settings: Settings, copy: str) -> tuple[Path, Iterator[bytes]]:
    """What messages call the copy, and its lines. Says so and leaves with 2 where there is none."""
    found = _destination(settings, copy)
    if found is None:
        return Path(copy), iter(sys.stdin.buffer)
    match found.kind:
        case "postgresql":
            return Path(copy), _rows(found, settings.state.tenant)
        case "file":
            return found.path, _read(found.path)
        case "otlp":
            raise stopped(f"{copy}: a collector cannot be asked for what it has; export it to a file")


def taken(settings: Settings, copy: str) -> Mapping[str, int]:
    """How many records of each chain a place has acknowledged; nothing where that is not known."""
    spec, path = shipped_to(settings, copy), settings.telemetry.audit.path
    if spec is None or path is None:
        return MappingProxyType({})
    cursor = Cursor(path, spec.called, spec.to.place)
    cursor.load()
    return {chain: at.seq for chain, at in cursor.positions.items()}


def shipped_to(settings: Settings, name: str) -> ShipSettings | None:
    """The place of this name in `telemetry.audit.ship`."""
    return next((each for each in settings.telemetry.audit.ship if each.called == name), None)


def _destination(settings: Settings, copy: str) -> Destination | None:
    if copy == STDIN:
        return None
    spec = shipped_to(settings, copy)
    if spec is not None:
        return spec.to
    try:
        return named(copy, os.environ, Path())
    except ValueError as error:
        raise stopped(f"--from: {error}") from None


def _rows(found: Destination, tenant: str) -> Iterator[bytes]:
    with closing(PostgresTarget(found.address, tenant=tenant)) as target:
        try:
            yield from (line for _, line in target.lines())
        except NotTaken as error:
            raise stopped(f"the database cannot be read: {error.kind}") from None


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise stopped(f"cannot read {path}: {error.strerror}") from None
