"""Databases for the tests of what is stored in one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.state import State
from tests.support_state import KEY, KINDS, fresh


@pytest.fixture(params=KINDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secret]:
    """A fresh database at the present revision, of each kind."""
    with fresh(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def state(state_url: Secret) -> AsyncIterator[State]:
    opened = await State.open(state_url, (KEY,), "one")
    yield opened
    await opened.close()
