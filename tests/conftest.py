"""Settings of the whole suite."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import support

# No deadline: these machines are shared, and a slow example is not a wrong one. Under CI the same examples every time.
settings.register_profile("local", deadline=None, max_examples=60)
settings.register_profile(
    "gateway-ci",
    deadline=None,
    max_examples=150,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gateway-ci" if support.CI else "local")


@pytest.fixture(scope="session")
def require() -> Callable[[str | Path, str], Path]:
    """`require("node", "runs the npm servers")`: see `tests.support.require`."""
    return support.require


@pytest.fixture(scope="module", autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Whatever a module makes of the log is undone: which module comes next in a process is nobody's choice."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
