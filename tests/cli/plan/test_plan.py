"""`mcp-gateway plan` on the worked example of the repository, alone and against a gateway that runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.policy.office import Office, ledger, office
from tests.docs.started import environment
from tests.real.processes import Gateway, free_port, gateway
from tests.real.wire import Wire
from tests.support import require


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    require("git", "is what a server of the demo works on")
    with ledger() as url:
        yield url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[tuple[Office, Gateway]]:
    """A gateway of the example, with a key of an account in a team."""
    here = office(tmp_path_factory.mktemp("running"), address)
    assert command(here.folder, "keys", "create", "book", "--teams", "finance")[0] == 0
    with gateway(here.folder) as started:
        yield here, started


@pytest.fixture
def proposed(tmp_path: Path, running: tuple[Office, Gateway]) -> Path:
    """A copy of the running gateway's files, to be changed."""
    folder = tmp_path / "proposed"
    shutil.copytree(running[0].folder, folder, ignore=shutil.ignore_patterns("out", "err"))
    return folder


def command(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_gateway", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def plan(folder: Path, *arguments: str) -> tuple[int, str, str]:
    return command(folder, "plan", *arguments)


def facts(folder: Path, *arguments: str) -> dict[str, Any]:
    code, out, err = plan(folder, "--json", *arguments)
    assert code in (0, 1), err
    found: dict[str, Any] = json.loads(out)
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def of(found: dict[str, Any], who: str) -> dict[str, Any]:
    (line,) = [each for each in found["identities"] if each["principal"] == who]
    return dict(line)


def test_without_a_gateway_it_says_what_each_will_see(running: tuple[Office, Gateway]) -> None:
    folder = running[0].folder
    code, out, err = plan(folder)
    assert (code, err) == (0, "")
    assert "\nteam:finance-leads\n" in out
    assert "ledger_book (ledger/post_entry), for some arguments" in out
    assert "no gateway runs" in out and "\x1b" not in out
    assert "  office: ledger_reconcile" in out  # needs a claim, which nobody of these has
    code, out, err = plan(folder, "--fail-on-change")
    assert code == 2 and "--against" in err and "team:finance" in out


def test_everybody_whom_policies_or_keys_name_is_asked_about(running: tuple[Office, Gateway]) -> None:
    found = facts(running[0].folder)
    assert [each["principal"] for each in found["identities"]] == [
        "anonymous",
        "team:auditors",
        "team:engineering",
        "team:finance",
        "team:finance-leads",
        "virtual_account:book",
        "virtual_account:ci",
    ]
    # An account in finance sees the balance as its team does; whether it may book is decided when it is listed.
    (balance,) = [
        each for each in of(found, "virtual_account:book")["servers"]["office"] if each["target"] == "query_balance"
    ]
    assert balance["reach"] == "always"
    assert "post_entry" not in {each["target"] for each in of(found, "virtual_account:book")["servers"]["office"]}


def test_nothing_changes_against_the_gateway_that_runs_the_same(running: tuple[Office, Gateway]) -> None:
    here, started = running
    code, out, err = plan(here.folder, "--control", started.control, "--fail-on-change")
    assert (code, err) == (0, "")
    assert out.startswith("Compared with the running snapshot ") and "Nothing changes for 7 identities." in out


async def test_what_the_control_plane_says_of_a_caller_is_what_the_caller_gets(
    running: tuple[Office, Gateway],
) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        told = (await http.get(f"{running[1].control}/api/access", params={"as": "anonymous"})).json()
        assert set(told["servers"]) == {"office", "branch"}
        for server, seen in told["servers"].items():
            listed = (await Wire(http, running[1].url(server), modern=True).ask("tools/list", {})).result["tools"]
            assert [item["name"] for item in seen["items"]] == [tool["name"] for tool in listed]
        assert (await http.get(f"{running[1].control}/api/access", params={"as": "nobody"})).status_code == 404
        assert "team:finance" in (await http.get(f"{running[1].control}/api/identities")).json()


def test_gains_losses_and_changes_are_told_against_the_gateway_that_runs(
    running: tuple[Office, Gateway], proposed: Path
) -> None:
    (proposed / "policies/more.cedar").write_text(
        '@id("auditors-look") permit (principal in Team::"auditors", action == Action::"git/git_log", resource);\n'
        '@id("no-status") forbid (principal in Team::"engineering", action == Action::"git/git_status", resource);\n'
    )
    edit(proposed / "virtual_servers/office.yaml", "name: now", "name: clock")
    code, out, _ = plan(proposed, "--control", running[1].control, "--fail-on-change")
    assert code == 1
    assert "~ tool clock (time/get_current_time): name changed (it was now)" in out
    assert "+ tool git_log (git/git_log)" in out and "- tool git_status (git/git_status)" in out
    found = facts(proposed, "--control", running[1].control)
    changes = of(found, "team:auditors")["changes"]
    assert {(each["change"], each["server"], each["name"]) for each in changes} == {
        ("+", "office", "git_log"),
        ("~", "office", "clock"),
    }
    assert (found["changed"], found["gained"], found["lost"]) == (True, 1, 1)


def test_a_team_that_only_the_running_policies_name_loses_what_it_had(
    running: tuple[Office, Gateway], proposed: Path
) -> None:
    shutil.rmtree(proposed / "policies")
    (proposed / "policies").mkdir()
    (proposed / "policies/one.cedar").write_text('@id("a") permit (principal == User::"anonymous", action, resource);')
    lost = of(facts(proposed, "--control", running[1].control), "team:engineering")["changes"]
    assert {each["change"] for each in lost} == {"-"}
    assert {each["name"] for each in lost} == {"now", "convert_time", "git_status", "git_log"}


def test_two_configurations_are_compared_where_none_runs(running: tuple[Office, Gateway], proposed: Path) -> None:
    edit(proposed / "virtual_servers/office.yaml", "name: now, description: ", "name: now, description: Other ")
    base = str(running[0].folder)
    found = facts(proposed, "--against", base)
    assert found["against"] == base
    (change,) = of(found, "team:auditors")["changes"]
    assert (change["change"], change["name"], change["fields"]) == ("~", "now", ["description"])


def test_one_principal_is_shown_with_all_it_sees(running: tuple[Office, Gateway]) -> None:
    here, started = running
    asked = ("--as", "corp|fay", "--team", "finance", "--claim", "dept=treasury")
    code, out, _ = plan(here.folder, *asked, "--control", started.control)
    assert code == 0
    assert "      tool ledger_reconcile (ledger/reconcile)\n" in out  # by its claim
    assert "      tool ledger_query_balance (ledger/query_balance)\n" in out and "team:" not in out
    seen = facts(here.folder, *asked, "--control", started.control)
    assert [each["principal"] for each in seen["identities"]] == ["corp|fay"] and not seen["changed"]


def test_an_upstream_that_is_down_is_not_taken_for_lost(running: tuple[Office, Gateway], proposed: Path) -> None:
    edit(proposed / "gateway.yaml", "127.0.0.1:" + _port(proposed), f"127.0.0.1:{free_port()}")
    code, out, err = plan(proposed, "--control", running[1].control, "--fail-on-change", "--as", "anonymous")
    assert code == 0, out
    assert "not compared: ledger" in out and "notice: the tools of the upstream ledger are not known" in err


def _port(folder: Path) -> str:
    (line,) = [each for each in (folder / "gateway.yaml").read_text().splitlines() if "/mcp" in each]
    return line.partition("127.0.0.1:")[2].partition("/")[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--as", "nobody"), "is no principal"),
        (("--team", "x"), "belong to --as"),
        (("--as", "corp|x", "--claim", "dept"), "write NAME=VALUE"),
        (("--control", "http://127.0.0.1:9"), "nothing listens"),
        (("--against", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_planned_is_two(
    running: tuple[Office, Gateway], arguments: tuple[str, ...], expected: str
) -> None:
    code, out, err = plan(running[0].folder, *arguments)
    assert (code, out) == (2, "")
    assert expected in err.replace("\n", "")
