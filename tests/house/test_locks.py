"""The lock files: complete, pinned by hash, in step with pyproject.toml, and silent about where packages come from."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import llm_proxy
import mcp_gateway
from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
RUNTIME = [*PROJECT["project"]["dependencies"], *EXTRAS["demo"]]
BUILD = [*PROJECT["build-system"]["requires"], *PROJECT["dependency-groups"]["build"]]
DEV = [*PROJECT["dependency-groups"]["dev"], *EXTRAS["presidio"]]


def pins(name: str) -> dict[str, str]:
    """Package → version, of one lock file; every line that is not of the expected form fails the test."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for entry in text.replace("\\\n", " ").splitlines():
        parsed = re.fullmatch(r"([a-z0-9-]+)==(\S+)(?: ; .+?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", entry)
        assert parsed, f"requirements/{name}.txt: not a pin with hashes: {entry[:80]}"
        found[parsed[1]] = parsed[2]
    return found


@pytest.mark.parametrize(("lock", "wanted"), [("base", RUNTIME + BUILD), ("dev", RUNTIME + BUILD + DEV)])
def test_every_dependency_is_locked_within_its_bounds(lock: str, wanted: list[str]) -> None:
    locked = pins(lock)
    for requirement in map(Requirement, wanted):
        pinned = locked.get(canonicalize_name(requirement.name))
        assert pinned, f"{requirement.name} is not in requirements/{lock}.txt: run `make lock`"
        assert requirement.specifier.contains(Version(pinned), prereleases=True), f"{requirement} is locked at {pinned}"


def test_the_two_locks_agree() -> None:
    base, dev = pins("base"), pins("dev")
    assert base == {name: pinned for name, pinned in dev.items() if name in base}


def test_the_version_is_written_the_same_everywhere() -> None:
    written = {PROJECT["project"]["version"], mcp_gateway.__version__, llm_proxy.__version__}
    assert len(written) == 1
