"""Where the configuration has copies of the record of calls kept, and what takes them there."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from mcp_gateway import __version__
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.audit.shipping.cursor import Cursor
from mcp_gateway.envelopes.observability.audit.shipping.file import FileTarget
from mcp_gateway.envelopes.observability.audit.shipping.postgres import PostgresTarget
from mcp_gateway.envelopes.observability.audit.shipping.shipper import Shipper
from mcp_gateway.envelopes.observability.audit.shipping.target import Target
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.shipping import ShipSettings

_OTLP: Final = "mcp_gateway.envelopes.observability.audit.shipping.otlp"
"""Loaded by name, only where a collector is configured."""


def shippers(settings: Settings, only: str | None = None) -> Sequence[Shipper]:
    """One for each place that the record is shipped to, or for the one that is called `only`.

    Raises `ConfigurationError` where a protocol cannot be spoken.
    """
    audit = settings.telemetry.audit
    if audit.path is None:
        return ()
    return [
        Shipper(audit.path, Cursor(audit.path, each.called, each.to.place), target_of(each, settings.state.tenant))
        for each in audit.ship
        if only in (None, each.called)
    ]


def target_of(spec: ShipSettings, tenant: str) -> Target:
    """What takes records to one place. Raises `ConfigurationError`."""
    match spec.to.kind:
        case "postgresql":
            return PostgresTarget(spec.to.address, tenant=tenant)
        case "file":
            return FileTarget(spec.to.path)
        case "otlp":
            return _collector(spec)


def _collector(spec: ShipSettings) -> Target:
    headers = {name: value.reveal() for name, value in spec.headers.items()}
    resource = {
        names.SERVICE_NAME: names.SERVICE,
        names.SERVICE_VERSION: __version__,
        names.SERVICE_INSTANCE: str(uuid.uuid4()),
    }
    try:
        module: Any = import_module(_OTLP)
        make = module.GrpcTarget if spec.protocol == "grpc" else module.HttpTarget
        made: Target = make(spec.to.address.reveal(), headers, resource)
    except ImportError as error:
        told = f"what is needed for `protocol: {spec.protocol}` is not installed"
        raise ConfigurationError([Problem("telemetry.audit.ship", 0, 0, told)]) from error
    return made
