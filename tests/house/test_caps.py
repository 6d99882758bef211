"""Sizes, places of imports and suppressions: checked in every file, with no waiver list."""

from pathlib import Path

import pytest

from tests.house.caps import FILE_LINES, FUNCTION_LINES, faults
from tests.house.tree import EVERYTHING, python_files, shown


@pytest.mark.parametrize("path", python_files(*EVERYTHING), ids=shown)
def test_the_file_is_within_the_caps(path: Path) -> None:
    wrong = [f"{shown(path)}:{fault}" for fault in faults(path.read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)


def function(lines: int, prefix: str = "") -> str:
    return f"{prefix}def f():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" * FILE_LINES,
        function(FUNCTION_LINES),
        "@decorated(\n    1,\n)\n" + function(FUNCTION_LINES),
        "import os\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sys\n",
        "import typing\nif typing.TYPE_CHECKING:\n    import sys\n",
        "x = '# noqa'\n",
        "x = f()  # type: ignore[misc]  # the stubs lack this argument\n",
        "x = f()  # noqa: BLE001 - the outer edge answers everything\n",
        "",
    ],
)
def test_what_is_allowed(source: str) -> None:
    assert faults(source) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x = 1\n" * (FILE_LINES + 1), "1: 401 lines"),
        ("x = 1\n" * FILE_LINES + "x = 1", "1: 401 lines"),
        (function(FUNCTION_LINES + 1), "1: f has 61 lines"),
        (function(FUNCTION_LINES + 1, "async "), "1: f has 61 lines"),
        ("def f():\n    import os\n", "2: an import below"),
        ("class A:\n    import os\n", "2: an import below"),
        ("try:\n    import os\nexcept ImportError:\n    os = None\n", "2: an import below"),
        ("if DEBUG:\n    import os\n", "2: an import below"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import os\n", "5: an import below"),
        ("x = 1  # noqa\n", "gives no reason"),
        ("x = 1  # noqa: E501, F401\n", "gives no reason"),
        ("x = 1  # type: ignore\n", "gives no reason"),
        ("x = 1  # type: ignore[arg-type]  # noqa: E501\n", "gives no reason"),
        ("x = 1  # pragma: no cover\n", "gives no reason"),
    ],
)
def test_what_is_refused(source: str, fault: str) -> None:
    assert any(fault in found for found in faults(source)), faults(source)
