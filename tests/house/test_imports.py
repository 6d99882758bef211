"""Every module imports by itself, without a warning: no hidden order, no cycle that the right first import hides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import SOURCE, module_name, python_files
from tests.support import ROOT

SCRIPT = Path(__file__).with_name("each_alone.py")


def import_each(names: list[str], root: Path) -> dict[str, str]:
    """Module → end of its traceback, for each that does not import alone with warnings as errors."""
    # Coverage would put itself, and what it imports, into the interpreter that has to be bare.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT)],
        input="\n".join(names),
        cwd=root,
        env=env | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    failures: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return failures


@pytest.mark.timeout(480)
def test_every_module_imports_alone_with_warnings_as_errors() -> None:
    names = [module_name(path) for path in python_files(*SOURCE)]
    assert "mcp_gateway" in names
    failures = import_each(names, ROOT)
    # One cause often stops many modules: each traceback is shown once, after the names of those that it stops.
    causes: dict[str, list[str]] = {}
    for name, text in failures.items():
        causes.setdefault(text, []).append(name)
    message = "\n".join(f"{', '.join(stopped)}\n{text}" for text, stopped in causes.items())
    if failures:
        pytest.fail(message, pytrace=False)


def test_a_module_that_relies_on_another_import_is_found(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")

    write("first", "import second\nvalue = 1\n")
    write("second", "from first import value\n")
    write("warns", "import warnings\nwarnings.warn('old', DeprecationWarning)\n")
    write("leaves", "raise SystemExit(3)\n")
    write("fine", "import json\n")
    failures = import_each(["first", "second", "warns", "leaves", "fine"], tmp_path)
    assert set(failures) == {"first", "warns", "leaves"}  # the cycle hides from whoever begins with `second`
    assert "partially initialized" in failures["first"]
    assert "DeprecationWarning: old" in failures["warns"]
