"""The files that the rules of the house are about."""

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

SOURCE = ("mcp_gateway", "llm_proxy")
EVERYTHING = (*SOURCE, "examples", "tests")
_NOT_OURS = frozenset({".git", ".venv", "node_modules", "__pycache__", "build", "dist", "data", "htmlcov"})


def python_files(*folders: str) -> list[Path]:
    """Every Python file under these folders of the repository that is not installed or generated."""
    return [path for folder in folders for path in _walk(ROOT / folder) if path.suffix == ".py"]


def repository_files() -> list[Path]:
    """What is, or would be, committed; without git, every file outside of caches and environments."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        )
        paths = [ROOT / os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
        return sorted({path for path in paths if path.is_file()})
    return sorted(_walk(ROOT))


def parse(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def shown(path: Path) -> str:
    """The path as people write it, from the root of the repository."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def module_name(path: Path) -> str:
    """`mcp_gateway/core/call.py` → `mcp_gateway.core.call`; a package is named by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _walk(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        hidden = {name for name in folders if name.startswith(".") and name != ".ci"}
        folders[:] = sorted(set(folders) - _NOT_OURS - hidden)
        yield from (Path(folder, name) for name in sorted(names))
