"""Keeping the record of calls while a gateway serves, where the configuration has one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Final

from mcp_gateway import __version__
from mcp_gateway.cli.shipping import shippers
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.opening import open_chain
from mcp_gateway.envelopes.observability.audit.recorder import Recorder
from mcp_gateway.envelopes.observability.audit.retention import Retention
from mcp_gateway.envelopes.observability.audit.shipping.cursor import shipped_below
from mcp_gateway.envelopes.observability.audit.shipping.shipping import Shipping
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.settings.settings import Settings
from mcp_gateway.telling import body_of

PURPOSE: Final = "audit/chain"
"""What the key that signs chains is derived for."""


@contextlib.asynccontextmanager
async def recorded(settings: Settings, keys: Sequence[bytes], lines: LineSink) -> AsyncIterator[LineSink]:
    """What takes the records of calls: `lines`, and a chain beside it where there is `telemetry.audit.path`.

    Copies of the chain are shipped meanwhile to where the configuration says. Raises `ConfigurationError` where the
    chain cannot be written.
    """
    audit = settings.telemetry.audit
    if audit.path is None:
        yield lines
        return
    shipping = Shipping(await asyncio.to_thread(shippers, settings))
    places = {each.called: each.to.place for each in audit.ship}
    retention = Retention(audit.keep_for, audit.keep_size, shipped_below(audit.path, places) if places else None)
    facts = {"pid": os.getpid(), "version": __version__}
    try:
        chain = await asyncio.to_thread(open_chain, audit.path, Signer(keys, PURPOSE), facts=facts, tidy=retention)
    except OSError as error:
        problem = Problem(str(audit.path), 0, 0, f"the record of calls cannot be kept here: {error.strerror or error}")
        raise ConfigurationError([problem]) from error
    recorder = Recorder(
        chain,
        lines,
        sync=audit.sync,
        on_failure=audit.on_failure,
        retention=retention,
        body=body_of(audit, keys),
        shipping=shipping,
    )
    recorder.start()
    shipping.start()
    try:
        yield recorder
    finally:
        try:
            await recorder.close()
        finally:
            await shipping.close()
