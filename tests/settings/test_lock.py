"""The text of tools.lock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.canonical import Pin
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.settings.lock import MAX_BYTES, NAME, Lock, contents, read, write, written

NAMES = st.text(min_size=1, max_size=8)
PINS: Lock = {
    "b": {"y": Pin.of({"name": "y", "n": 1.0})},
    "a": {"x": Pin.of({"name": "x", "n": 1}), "w": Pin.of({"name": "w"})},
}


def complaint(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text.encode(), "tools.lock")
    return str(caught.value)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, st.text(max_size=8))))
def test_what_is_written_is_read(pins: dict[str, dict[str, str]]) -> None:
    pinned = {
        name: {tool: Pin.of({"name": tool, "description": told}) for tool, told in tools.items()}
        for name, tools in pins.items()
    }
    assert read(written(pinned).encode(), "tools.lock") == pinned


def test_order_does_not_show() -> None:
    turned = {name: dict(reversed(list(tools.items()))) for name, tools in reversed(list(PINS.items()))}
    assert written(turned) == written(PINS)


def test_a_definition_edited_by_hand_is_refused_at_its_place() -> None:
    text = written(PINS)
    line = text.split("\n").index('      "y": {') + 1
    assert f"tools.lock:{line}:7: `b/y`: its definition does not fit" in complaint(text.replace("1.0", "1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{\n  x", "not strict JSON"),
        ('{"version": 2, "upstreams": {}}', "expected version 1"),
        ('{"version": true, "upstreams": {}}', "expected version 1"),
        ('{"version": 1}', "expected `version` and `upstreams`"),
        ('{"version": 1, "upstreams": {"a": []}}', "a mapping of tools"),
        ('{"version": 1, "upstreams": {"a": {"x": {}}}}', "`a/x`: expected `definition`"),
        ('{"version": 1, "upstreams": {"a": {"x": {"sha256": "", "definition": {"name": "z"}}}}}', "another tool"),
    ],
)
def test_what_is_no_lock_is_refused(text: str, expected: str) -> None:
    assert expected in complaint(text)


def test_a_written_lock_is_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("what was there")
    assert write(tmp_path, PINS) == tmp_path / NAME
    problems: list[Problem] = []
    data = contents(tmp_path, problems)
    assert data is not None
    assert read(data, NAME) == PINS
    assert problems == []
    assert [each.name for each in tmp_path.iterdir()] == [NAME]


def test_without_a_file_there_is_no_lock_and_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert contents(tmp_path, problems) is None
    assert problems == []
    (tmp_path / NAME).mkdir()
    assert contents(tmp_path, problems) is None
    (tmp_path / NAME).rmdir()
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert contents(tmp_path, problems) is None
    assert [each.message for each in problems] == [
        "cannot read the file: Is a directory",
        f"larger than {MAX_BYTES} bytes",
    ]
