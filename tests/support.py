"""What tests share: how they behave when the machine lacks something they need."""

import os
import shutil
import sys
from pathlib import Path

import pytest

CI = os.environ.get("CI", "").lower() in {"1", "true"}
ROOT = Path(__file__).resolve().parent.parent


def need(condition: bool, reason: str) -> None:
    """Go on if `condition` holds; otherwise fail under CI and skip elsewhere, saying `reason`."""
    if condition:
        return
    if CI:
        pytest.fail(f"needed under CI: {reason}", pytrace=False)
    pytest.skip(reason)


def require(what: str | Path, why: str) -> Path:
    """The path of a command (beside the running interpreter, then on the path) or of a file, or `need` decides.

    A `Path`, or a string with a slash, names a file or directory, relative ones from the root of the repository.
    """
    if isinstance(what, Path) or "/" in what:
        path = ROOT / what
        need(path.exists(), f"{what} is absent: {why}")
        return path
    found = shutil.which(what, path=str(Path(sys.executable).parent)) or shutil.which(what)
    need(found is not None, f"the command {what} is absent: {why}")
    return Path(str(found))
