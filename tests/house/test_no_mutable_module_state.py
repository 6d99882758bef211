"""No module holds state that calls could share or change: what is shared is built in `app.py` and handed down."""

from pathlib import Path

import pytest

from tests.house.state import mutable
from tests.house.tree import SOURCE, python_files, shown


@pytest.mark.parametrize("path", python_files(*SOURCE), ids=shown)
def test_the_module_holds_no_mutable_state(path: Path) -> None:
    wrong = [f"{shown(path)}:{fault}" for fault in mutable(path.read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "__all__ = ['a']\n",
        "A = (1, 2)\nB = frozenset({1, 2})\nC = MappingProxyType({'a': 1})\n",
        "from typing import Final\nA: Final[Mapping[str, int]] = {'a': 1}\n",
        "A: Final[tuple[int, ...]] = (1,)\n",
        "app = typer.Typer()\nlog = structlog.get_logger()\nPATTERN = re.compile('a')\n",
        "def f():\n    a = []\n    return a\n",
        "class A:\n    def f(self):\n        self.a = {}\n",
    ],
)
def test_what_is_allowed(source: str) -> None:
    assert mutable(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "a = []\n",
        "a = b = {}\n",
        "a: dict[str, int] = {}\n",
        "a: Final = {'x': 1}\n",
        "a: Final[dict[str, int]] = {'x': 1}\n",
        "a = {x for x in 'ab'}\n",
        "a = set()\n",
        "a = collections.deque[int](maxlen=3)\n",
        "a = itertools.count()\n",
        "a = [1] * 3\n",
        "if X:\n    a = list()\n",
        "a = 0\ndef f():\n    global a\n    a += 1\n",
        "@functools.lru_cache(maxsize=3)\ndef f(a): ...\n",
        "@cache\ndef f(a): ...\n",
    ],
)
def test_what_is_refused(source: str) -> None:
    assert mutable(source)
