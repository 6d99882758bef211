"""The example in `policies/` at the root, over the demo's real servers, in a folder of its own."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.started import environment, repository, upstream
from tests.support import ROOT

_BRANCH = """\
name: branch
sources: [{upstream: ledger}]
"""


@dataclass(frozen=True, slots=True)
class Office:
    """A configuration whose upstreams run or can be started."""

    folder: Path

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """`mcp-gateway policy …` in the folder: exit code, standard output and standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "mcp_gateway", "policy", *arguments],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def policies(self, **files: str) -> Office:
        """The same office with these policies, by file name without suffix, instead of its own."""
        shutil.rmtree(self.folder / "policies")
        (self.folder / "policies").mkdir()
        for name, text in files.items():
            (self.folder / "policies" / f"{name}.cedar").write_text(text)
        return self


@contextlib.contextmanager
def ledger() -> Iterator[str]:
    """The demo's ledger; its address."""
    with upstream("-m", "mcp_gateway.cli.demo.ledger") as port:
        yield f"http://127.0.0.1:{port}/mcp"


def office(folder: Path, ledger_url: str, upstreams: Sequence[str] = ("time", "git", "ledger")) -> Office:
    """Write the demo's composition and the policies of the repository into `folder`."""
    demo = ROOT / "mcp_gateway/cli/demo/files"
    repository(folder)
    values = {"PYTHON": sys.executable, "REPOSITORY": str(folder), "LEDGER": ledger_url}
    for name, target in (("gateway.yaml", "gateway.yaml"), ("office.yaml", "virtual_servers/office.yaml")):
        path = folder / target
        path.parent.mkdir(exist_ok=True)
        path.write_text(re.sub(r"\b(PYTHON|REPOSITORY|LEDGER)\b", lambda m: values[m[1]], (demo / name).read_text()))
    (folder / "virtual_servers/branch.yaml").write_text(_BRANCH)
    with (folder / "gateway.yaml").open("a") as file:
        file.write("policies: {path: policies/}\n")
    shutil.copytree(ROOT / "policies", folder / "policies")
    return Office(folder)
