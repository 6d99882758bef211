"""`mcp-gateway lock` over upstreams that really run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mcp_gateway.cli.main import app
from mcp_gateway.settings.lock import NAME, read, written
from tests.real.processes import Server, free_port, serving


@pytest.fixture(scope="module")
def ledger() -> Iterator[Server]:
    with serving("tests.upstreams.plain") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, ledger: Server) -> Path:
    configure(tmp_path, ledger={"url": ledger.url})
    return tmp_path


def configure(folder: Path, **upstreams: dict[str, Any]) -> None:
    (folder / "gateway.yaml").write_text(json.dumps({"upstreams": upstreams}))


def lock(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["lock", *arguments, "--config", str(folder / "gateway.yaml")])


def pins(folder: Path) -> dict[str, set[str]]:
    return {name: set(tools) for name, tools in read((folder / NAME).read_bytes(), NAME).items()}


def edit(folder: Path, tool: str, **changes: Any) -> None:
    """The lock as if the ledger had been accepted with another definition of `tool`."""
    document = json.loads((folder / NAME).read_text())
    entry = document["upstreams"]["ledger"][tool]["definition"]
    document["upstreams"]["ledger"][tool]["definition"] = {**entry, **changes}
    accepted = {
        name: {tool: type(pin).of(document["upstreams"][name][tool]["definition"]) for tool, pin in tools.items()}
        for name, tools in read((folder / NAME).read_bytes(), NAME).items()
    }
    (folder / NAME).write_text(written(accepted))


def test_the_first_lock_pins_everything_and_the_second_finds_nothing(folder: Path) -> None:
    first = lock(folder)
    assert first.exit_code == 0, first.output
    assert "tools.lock made" in first.output
    assert "post_entry" in pins(folder)["ledger"]
    before = (folder / NAME).read_bytes()
    second = lock(folder)
    assert (second.exit_code, second.output) == (0, "All tools are as accepted.\n")
    assert (folder / NAME).read_bytes() == before


def test_what_differs_is_shown_and_stays_until_it_is_accepted(folder: Path) -> None:
    lock(folder)
    whole = (folder / NAME).read_bytes()
    edit(folder, "post_entry", description="Before.")
    edited = (folder / NAME).read_bytes()
    shown = lock(folder)
    assert shown.exit_code == 1
    assert "changed  ledger/post_entry" in shown.output
    assert '/description: "Before." → ' in shown.output
    assert "To accept: mcp-gateway lock --accept" in shown.output
    assert (folder / NAME).read_bytes() == edited
    told = json.loads(lock(folder, "--json").output)
    assert (told["ok"], told["written"], told["unread"]) == (False, False, {})
    assert [(each["tool"], each["drift"], each["accepted"]) for each in told["drifted"]] == [
        ("post_entry", "changed", False)
    ]
    done = lock(folder, "--accept", "ledger/post_entry")
    assert done.exit_code == 0, done.output
    assert "1 tool accepted" in done.output
    assert (folder / NAME).read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--accept", "ledger/post_entri"], "nothing differs at ledger/post_entri; did you mean ledger/post_entry?"),
        (["--accept", "time"], "nothing differs at time"),
        (["ledger"], "say --accept, too"),
    ],
)
def test_accepting_what_does_not_differ_is_a_mistake(folder: Path, arguments: list[str], expected: str) -> None:
    lock(folder)
    edit(folder, "post_entry", description="Before.")
    before = (folder / NAME).read_bytes()
    done = lock(folder, *arguments)
    assert done.exit_code == 2
    assert expected in done.output
    assert (folder / NAME).read_bytes() == before


def test_an_upstream_that_is_down_keeps_its_pins(folder: Path, ledger: Server) -> None:
    lock(folder)
    before = pins(folder)
    configure(folder, ledger={"url": f"http://127.0.0.1:{free_port()}/mcp"})
    done = lock(folder, "--accept")
    assert done.exit_code == 1
    assert "unread   ledger: " in done.output
    assert pins(folder) == before
    named = lock(folder, "--accept", "ledger")
    assert named.exit_code == 2
    assert "the tools of ledger are not known" in named.output


def test_what_is_not_pinned_is_not_in_the_lock_and_what_is_gone_leaves_it(folder: Path, ledger: Server) -> None:
    configure(folder, ledger={"url": ledger.url}, twin={"url": ledger.url}, loose={"url": ledger.url, "pinning": "off"})
    first = lock(folder)
    assert set(pins(folder)) == {"ledger", "twin"}
    assert "named alike: ledger/post_entry, twin/post_entry" in first.output
    configure(folder, ledger={"url": ledger.url})
    assert "gone     twin/post_entry" in lock(folder).output
    assert lock(folder, "--accept").exit_code == 0
    assert set(pins(folder)) == {"ledger"}


def test_a_lock_that_was_edited_by_hand_is_refused(folder: Path) -> None:
    lock(folder)
    text = (folder / NAME).read_text()
    (folder / NAME).write_text(text.replace('"name": "post_entry"', '"name": "post_entry", "x": 1'))
    done = lock(folder)
    assert done.exit_code == 2
    assert "its definition does not fit its `sha256`" in done.output
