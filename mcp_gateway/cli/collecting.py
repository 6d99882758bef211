"""The telemetry of a process, from its configuration and for as long as it runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog

from mcp_gateway import __version__
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.envelopes.observability.telemetry import Telemetry, Terms
from mcp_gateway.settings.settings import Settings
from mcp_gateway.telling import detail_of


@contextlib.asynccontextmanager
async def collecting(settings: Settings) -> AsyncIterator[Telemetry]:
    """The telemetry; what it still holds is sent on leaving. Raises `ConfigurationError`."""
    spec = settings.telemetry
    terms = Terms(
        endpoint=spec.otlp_endpoint,
        protocol=spec.otlp_protocol,
        headers=spec.otlp_headers,
        metric_labels=spec.metric_labels,
        prometheus=spec.prometheus,
    )
    try:
        telemetry = Telemetry(terms, version=__version__, detail=detail_of(spec), log=structlog.get_logger("telemetry"))
    except ImportError as error:
        told = f"the exporter for `otlp_protocol: {spec.otlp_protocol}` is not installed"
        raise ConfigurationError([Problem("telemetry.otlp_protocol", 0, 0, told)]) from error
    try:
        yield telemetry
    finally:
        await telemetry.close()
