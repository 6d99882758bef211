"""Commands run in this process set up its logging; what runs afterwards gets its own back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The streams that a command logs to are those of its runner, which are closed when it ends."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
