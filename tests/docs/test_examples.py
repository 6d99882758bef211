"""What the pages show, works: YAML loads, commands run against a started gateway, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from mcp_gateway.settings.load import load
from tests.docs.blocks import Block, blocks
from tests.docs.started import PATIENCE, Started, environment, gateway, repository
from tests.support import ROOT, require

PAGES = [
    *(ROOT / name for name in ("README.md", "THREAT_MODEL.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
WITH_YAML = [page for page in PAGES if blocks(page, "yaml")]
README = ROOT / "README.md"
ENVIRON = {
    **dict.fromkeys(
        ("T", "TICKETS_TOKEN", "LOGIN_SECRET", "DESK_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "secret"
    ),
    "TICKETS_AUTHORIZATION": "Bearer secret",
    "BUDGET_HOOK": "https://hooks.example.com/budgets",
    "COLLECTOR_TOKEN": "Bearer secret",
    "AUDIT_DATABASE": "postgresql://gateway:secret@db/audit",
}
SERVE = "mcp-gateway serve\n"
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def write_site(folder: Path, found: list[Block], *, ephemeral: bool = False) -> Path:
    """The YAML blocks of one page as the files that they say they are."""
    for block in found:
        assert block.file is not None, f"{block.page.name}: a YAML block begins with the name of its file"
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(r"port: (8080|8081)\b", "port: 0", block.text) if ephemeral else block.text
        path.write_text(text)
    return folder


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", WITH_YAML, ids=named)
def test_the_yaml_of_a_page_loads(page: Path, tmp_path: Path) -> None:
    found = blocks(page, "yaml")
    settings = load(write_site(tmp_path, found) / "gateway.yaml", ENVIRON)
    assert len(settings.servers) == sum(1 for block in found if str(block.file).startswith("virtual_servers/"))


def test_pages_with_yaml_are_found() -> None:
    assert {named(page) for page in WITH_YAML} >= {"README.md", "docs/virtual-servers.md", "docs/configuration.md"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_of_a_page_resolve(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / unquote(path)) if path else page
        assert aim.exists(), f"{named(page)} links to {target}"
        if anchor:
            assert anchor in {slug(heading) for heading in headings(aim)}, f"{named(page)} links to {target}"


def headings(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for match in re.finditer(r"^#+ +(.*)$", text, re.MULTILINE):
        yield match[1]


def slug(heading: str) -> str:
    """A heading's anchor, as forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_root_configuration_loads() -> None:
    settings = load(ROOT / "gateway.yaml", {})
    assert sorted(settings.servers) == ["office"]
    assert sorted(settings.upstreams) == ["git", "time"]


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"\bmake ([a-z-]+)\b(?=[`\n ]*(?:ARGS|`|\n))", page.read_text()):
            assert name in targets, f"{named(page)} names `make {name}`"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Started]]:
    """What the README tells to write, served as it tells to."""
    require("git", "is what an upstream of the README works on")
    folder = tmp_path_factory.mktemp("readme")
    repository(write_site(folder, blocks(README, "yaml"), ephemeral=True))
    with gateway(folder) as started:
        yield folder, started


def commands(language: str) -> list[str]:
    """The README's blocks to be run: all but those for make, which have tests of their own, and `serve` itself."""
    found = [block.text for block in blocks(README, language)]
    return [text for text in found if text != SERVE and not text.startswith("make ")]


def at(started: Started, text: str) -> str:
    return text.replace("http://127.0.0.1:8080", started.data).replace("http://127.0.0.1:8081", started.control)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, check=False, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_serves() -> None:
    assert SERVE in [block.text for block in blocks(README, "sh")]
    assert len(commands("sh")) == 4


@pytest.mark.parametrize("number", range(len(commands("sh"))))
def test_a_shell_block_of_the_readme(number: int, site: tuple[Path, Started]) -> None:
    require("curl", "is what the README connects with")
    folder, started = site
    text = commands("sh")[number]
    printed = run(folder, "bash", "-euo", "pipefail", "-c", at(started, text))
    if "tools/call" in text:
        assert '"timezone":"Europe/Paris"' in printed
    elif "readyz" in text:
        assert '"ready":true' in printed and '"name":"desk"' in printed
    else:
        assert "The configuration is fine: 1 virtual server, 2 upstreams." in printed


def test_the_python_block_of_the_readme(site: tuple[Path, Started]) -> None:
    folder, started = site
    (text,) = commands("python")
    printed = run(folder, sys.executable, "-c", at(started, text))
    assert "['now', 'convert_time', 'git_status', 'git_log']" in printed
    assert "'timezone': 'Europe/Paris'" in printed
