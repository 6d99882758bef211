"""Databases for the tests of what is stored in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_gateway.core.secret import Secret
from tests.support_state import KINDS, fresh


@pytest.fixture(params=KINDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secret]:
    """A fresh database at the present revision, of each kind."""
    with fresh(request.param, tmp_path) as url:
        yield url
