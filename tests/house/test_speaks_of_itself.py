"""The repository speaks of the software only: not of its making, of machines it was made on, or of package hosts."""

import json
from pathlib import Path

import pytest

from tests.house.speech import addresses, words
from tests.house.tree import repository_files, shown


def text_of(path: Path) -> str:
    """The text of a file; empty for one that is not text."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


def lock_files() -> list[Path]:
    return [
        path
        for path in repository_files()
        if path.name in {"package-lock.json", ".npmrc"}
        or (path.parent.name == "requirements" and path.suffix == ".txt")
    ]


def test_no_file_holds_a_forbidden_word() -> None:
    wrong = [f"{shown(path)}:{word}" for path in repository_files() for word in words(text_of(path))]
    assert not wrong, "\n".join(wrong)


def test_no_file_name_holds_a_forbidden_word() -> None:
    assert not [shown(path) for path in repository_files() if list(words(shown(path)))]


def test_no_lock_file_holds_an_address() -> None:
    assert lock_files()
    wrong = [
        f"{shown(path)}:{place}"
        for path in lock_files()
        for place in (addresses(path.name, text_of(path)) if path.name != ".npmrc" else npm_registries(path))
    ]
    assert not wrong, "\n".join(wrong)


def npm_registries(path: Path) -> list[str]:
    return [line for line in text_of(path).splitlines() if "registry=" in line.replace(" ", "") or "://" in line]


@pytest.mark.parametrize(
    "text",
    [
        "made with Clau" + "de in an hour",
        "Co-Authored" + "-By: someone",
        "an AI" + " assistant wrote this",
        "see /wo" + "rk/main/x.py",
        "curl https://py" + "pi.org/simple",
        "cache = '/ro" + "ot/.cache'",
    ],
)
def test_forbidden_words_are_found(text: str) -> None:
    assert next(words(f"fine\n{text}\n")).startswith("2: ")


@pytest.mark.parametrize(
    "text", ["anthropic-main/clau" + "de-sonnet", "a framework/x path", "/srv/work/x", "agent framework"]
)
def test_ordinary_words_are_not(text: str) -> None:
    assert not list(words(text))


def test_addresses_are_found_in_lock_files() -> None:
    assert list(addresses("base.txt", "--index-url https://example.com/simple\na==1\n"))
    assert list(addresses("base.txt", "a @ https://example.com/a.whl\n"))
    assert not list(addresses("base.txt", "a==1 \\\n    --hash=sha256:00\n"))
    packages = {"": {}, "node_modules/a": {"version": "1", "resolved": "https://example.com/a.tgz"}}
    assert list(addresses("package-lock.json", json.dumps({"packages": packages}))) == ["node_modules/a: resolved"]
    del packages["node_modules/a"]["resolved"]
    assert not list(addresses("package-lock.json", json.dumps({"packages": packages})))
