"""Commands that work on what the gateway keeps: opening the state of a configuration, also while a gateway serves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import typer
from rich.console import Console

from mcp_gateway.cli.check import WRONG, print_problems
from mcp_gateway.cli.logs import configure
from mcp_gateway.core.errors import ConfigurationError, IdentityUnavailable
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.load import load
from mcp_gateway.settings.settings import Settings

NO: Final = 1
"""Exit code where the answer is no: there is no such account, a row still needs an old key."""

SECONDS: Final = 30.0
"""The longest that one step of a command waits for the database."""

T = TypeVar("T")


def settings_of(config: Path) -> Settings:
    """The configuration at `config`. Where it is wrong, says so and leaves with 2."""
    try:
        return load(config, os.environ)
    except ConfigurationError as error:
        raise refused(error) from None


def with_state(config: Path, work: Callable[[State], Awaitable[T]]) -> T:
    """What `work` gives for the state that the configuration at `config` names.

    Opens it as a gateway does: makes an absent SQLite database and its key, and proves the keys. Where that cannot be,
    or the database does not answer, says why on standard error and leaves with 2.
    """
    configure("warning")
    settings = settings_of(config)

    async def opened() -> T:
        keys = key_ring(settings.state)
        state = await State.open(settings.state.database, keys, settings.state.tenant, seconds=SECONDS)
        try:
            return await work(state)
        finally:
            await state.close()

    try:
        return asyncio.run(opened())
    except ConfigurationError as error:
        raise refused(error) from None
    except IdentityUnavailable as error:
        raise stopped(error.message) from None


def refused(error: ConfigurationError) -> typer.Exit:
    """Print every problem; what to raise."""
    print_problems(error, Console(stderr=True, highlight=False, soft_wrap=True))
    return typer.Exit(WRONG)


def stopped(message: str, code: int = WRONG) -> typer.Exit:
    """Print one line; what to raise."""
    typer.echo(message, err=True)
    return typer.Exit(code)


def day(moment: float | None) -> str:
    """Unix seconds as a person reads them, in UTC."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def timestamp(moment: float | None) -> str | None:
    """Unix seconds as a program reads them (RFC 3339, UTC)."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
