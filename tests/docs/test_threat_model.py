"""THREAT_MODEL.md names tests that exist and limits that hold."""

from __future__ import annotations

import re

import pytest

from mcp_gateway.settings.server import LimitSettings
from mcp_gateway.settings.units import parse_duration, parse_size
from tests.support import ROOT

TEXT = (ROOT / "THREAT_MODEL.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))
LIMITS = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("path", "function"), NAMED)
def test_a_named_test_exists(path: str, function: str) -> None:
    text = (ROOT / path).read_text()
    assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE)


@pytest.mark.parametrize(("name", "value"), LIMITS)
def test_a_limit_is_the_default(name: str, value: str) -> None:
    default = getattr(LimitSettings(), name)
    if value.isdigit():
        assert default == int(value)
    elif value.endswith("B"):
        assert default == parse_size(value)
    else:
        assert default == parse_duration(value)


def test_there_is_something_to_check() -> None:
    assert len(NAMED) > 30 and len(LIMITS) > 10
