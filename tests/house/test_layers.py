"""The rooms, their order and who may import whom: the contracts of pyproject.toml, and proof that they can break."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import EVERYTHING, python_files, shown
from tests.support import ROOT

LINT = str(Path(sys.executable).with_name("lint-imports"))

RULES = """
[importlinter]
root_packages =
    hall
    annexe
include_external_packages = True
contract_types =
    room: tests.house.room.RoomContract
    pure: tests.house.pure.PureContract

[importlinter:contract:cycles]
name = cycles
type = acyclic_siblings
ancestors = hall

[importlinter:contract:kitchen]
name = kitchen
type = room
room = hall.kitchen
may_import =
    hall.cellar
    hall.attic.box
never = socket

[importlinter:contract:absent]
name = absent
type = room
room = hall.not_built_yet

[importlinter:contract:pure]
name = pure
type = pure
modules =
    hall.attic
    hall.not_built_yet
never = socket
"""


def lint(config: Path, root: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [LINT, "--no-cache", "--no-logo", "--config", str(config)],
        cwd=root,
        env=env | {"PYTHONPATH": f"{root}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def build(root: Path, modules: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A small house of these modules, linted by RULES."""
    for name in ("annexe", "hall", "hall.kitchen", "hall.cellar", "hall.attic", "hall.attic.box", *modules):
        path = root.joinpath(*name.split("."), "__init__.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(modules.get(name, ""), encoding="utf-8")
    config = root / "rules.ini"
    config.write_text(RULES, encoding="utf-8")
    return lint(config, root)


def test_the_rooms_import_only_what_the_house_allows() -> None:
    done = lint(ROOT / "pyproject.toml", ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_folder_of_modules_is_a_package() -> None:
    """A folder without `__init__.py` would be invisible to the import rules above."""
    bare = {path.parent for path in python_files(*EVERYTHING) if not path.with_name("__init__.py").exists()}
    assert not sorted(shown(folder) for folder in bare - {ROOT / "examples"} if "examples" not in folder.parts)


def test_a_house_in_order_passes(tmp_path: Path) -> None:
    done = build(
        tmp_path,
        {
            "hall.kitchen": "import hall\nimport json\nfrom hall import cellar\nfrom hall.attic import box\n",
            "hall.kitchen.oven": "from hall.kitchen import __name__\n",
            "hall.cellar": "import socket\n",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        ({"hall.kitchen.oven": "\nfrom hall import attic\n"}, "hall.kitchen.oven:2 may not import hall.attic"),
        ({"hall.kitchen": "import annexe.shed\n", "annexe.shed": ""}, "hall.kitchen:1 may not import annexe.shed"),
        ({"hall.kitchen": "import socket\n"}, "hall.kitchen:1 may not import socket"),
        (
            {"hall.attic.box": "import hall.cellar\n", "hall.cellar": "import socket\n"},
            "hall.attic.box → hall.cellar → socket",
        ),
        ({"hall.attic": "import hall.cellar\n", "hall.cellar": "import hall.attic\n"}, "cycles BROKEN"),
    ],
    ids=["a room off the list", "another package", "an outside library", "I/O behind a pure module", "a cycle"],
)
def test_a_wrong_import_breaks_a_contract(tmp_path: Path, modules: dict[str, str], complaint: str) -> None:
    done = build(tmp_path, modules)
    assert done.returncode == 1, done.stdout + done.stderr
    assert complaint in done.stdout
