"""The exception tree: as its docstring draws it, with public messages and stable words."""

from __future__ import annotations

import inspect
import re

import pytest

from mcp_gateway.core import errors
from mcp_gateway.core.errors import (
    ConfigurationError,
    GatewayError,
    LimitExceeded,
    Problem,
    Refusal,
    Rejected,
    Unreachable,
)

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, GatewayError) and found.__module__ == errors.__name__
]


def test_the_drawing_names_every_class_under_its_parent() -> None:
    drawn: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^( +)([│ ]*(?:[├└]─ )?)([A-Z]\w+)(?:\s{2,}|$)", line)
        if match is None:
            continue
        depth = len(match[1] + match[2])
        path = [entry for entry in path if entry[0] < depth]
        drawn[match[3]] = path[-1][1] if path else ""
        path.append((depth, match[3]))
    real = {found.__name__: found.__bases__[0].__name__ for found in CLASSES}
    assert drawn == {**real, "GatewayError": ""}


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_every_class_has_a_reason_in_one_word_and_says_what_it_is(found: type[GatewayError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", found.reason)
    assert found.__doc__


def test_refusals_and_failures_are_different_things() -> None:
    assert not [found for found in CLASSES if issubclass(found, Refusal) and issubclass(found, errors.UpstreamError)]


def test_the_message_is_the_text() -> None:
    for error in (GatewayError("said"), LimitExceeded("said", limit="l"), Unreachable("said", sent=True)):
        assert str(error) == error.message == "said"


def test_an_upstreams_data_may_be_null_and_is_then_there() -> None:
    assert not Rejected(1, "m").has_data
    assert Rejected(1, "m", has_data=True).has_data
    assert Rejected(1, "m", 0).has_data


def test_a_problem_says_where_and_what_helps() -> None:
    assert str(Problem("a.yaml", 3, 7, "unknown key", "did you mean x?")) == "a.yaml:3:7: unknown key (did you mean x?)"
    assert str(Problem("a.yaml", 0, 0, "is missing")) == "a.yaml: is missing"


def test_all_problems_are_told_at_once() -> None:
    problems = [Problem("a", 1, 1, "one"), Problem("b", 2, 2, "two")]
    error = ConfigurationError(problems)
    assert str(error) == "a:1:1: one\nb:2:2: two" and error.problems == tuple(problems)
    assert str(ConfigurationError([])) == "the configuration cannot be used"
