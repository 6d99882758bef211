"""`mcp-gateway policy replay` on what a gateway of the worked example recorded."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mcp_gateway.cli.policy.replay.command import Wanted
from tests.cli.policy.office import Office, ledger, office
from tests.docs.started import environment
from tests.real.processes import gateway
from tests.real.wire import Wire
from tests.support import require

CALLS = (
    ("ledger_book", {"amount": 50, "memo": "tea"}),
    ("ledger_book", {"amount": 500, "memo": "chairs-nobody-knows-of"}),
    ("ledger_book", {"amount": 5}),
    ("ledger_query_balance", {"account": "cash"}),
    ("now", {"timezone": "UTC"}),
)
LESS = """\
@id("more") permit(principal, action == Action::"ledger/post_entry", resource)
when { context.input.amt.lessThan(decimal("1000.0")) };
"""


@pytest.fixture(scope="module", params=["facts", "values"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, str]]:
    """An office whose record of calls is in the file `out`, and what it records."""
    require("git", "is what a server of the demo works on")
    with ledger() as url:
        here = office(tmp_path_factory.mktemp("recorded"), url)
        path = here.folder / "gateway.yaml"
        path.write_text(path.read_text().replace("policies/}", f"policies/, record: {request.param}}}"))
        with gateway(here.folder) as running:
            asyncio.run(_make_calls(running.url("office")))
        (here.folder / "new").mkdir()
        (here.folder / "new/less.cedar").write_text(LESS)
        yield here, request.param


async def _make_calls(url: str) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        wire = Wire(http, url, modern=True)
        for name, arguments in CALLS:
            await wire.call(name, arguments)


def replay(where: Office, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = where.run("replay", "--from", "out", "--json", *arguments)
    assert err == ""
    return code, json.loads(out)


def test_the_policies_of_the_configuration_decide_the_same_again(recorded: tuple[Office, str]) -> None:
    code, found = replay(recorded[0], "--fail-on-change")
    assert (code, found["decisions"], found["same"], found["foreign_lines"]) == (0, 5, 5, 0)


def test_other_policies_decide_as_far_as_the_record_tells(recorded: tuple[Office, str]) -> None:
    here, what = recorded
    code, found = replay(here, "--with", "new", "--fail-on-change")
    assert code == 1
    if what == "facts":
        # Nothing permits the time and the balance any more; of bookings it depends on what was not recorded.
        assert (found["changes"], found["unknown"]) == ({"allow→deny": 2}, 3)
        assert found["unknown_because"] == {"not recorded: context.input.amt": 3}
        assert "chairs-nobody-knows-of" not in (here.folder / "out").read_text()
    else:
        assert (found["changes"], found["unknown"]) == ({"allow→deny": 2, "deny→allow": 2}, 0)
    assert [group["what"] for group in found["groups"]][-1] == "time/get_current_time"
    assert found["groups"][-1]["policies"] == ["time-for-everyone"]


def test_decisions_are_chosen_and_listed_one_by_one(recorded: tuple[Office, str]) -> None:
    here = recorded[0]
    _, found = replay(here, "--with", "new", "--each", "--limit", "1", "--since", "1h", "--server", "office")
    assert [each["what"] for each in found["each"]] == ["time/get_current_time"]
    assert found["each"][0]["request_id"] in (here.folder / "out").read_text()


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Wanted("", None, None), True),
        (Wanted("2026-01-02T00:00:00.000Z", "office", "corp|fay"), True),
        (Wanted("2026-01-02T00:00:00.001Z", None, None), False),
        (Wanted("", "branch", None), False),
        (Wanted("", None, "corp|fa"), False),
    ],
)
def test_what_is_wanted_is_told_by_time_server_and_principal(wanted: Wanted, has: bool) -> None:
    record = {"time": "2026-01-02T00:00:00.000Z", "server": "office", "principal": "corp|fay"}
    assert wanted.has(record) is has


def test_people_read_what_changes_and_why(recorded: tuple[Office, str]) -> None:
    here, what = recorded
    done = subprocess.run(
        [sys.executable, "-m", "mcp_gateway", "policy", "replay", "--from", "-", "--with", "new"],
        cwd=here.folder,
        env=environment(),
        input="Traceback\n" + (here.folder / "out").read_text(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "allow → deny  anonymous  office  time/get_current_time  1 call, " in done.stdout
    assert "    was by time-for-everyone; would be by no policy\n" in done.stdout
    assert "1 line of 7 could not be read as records.\n" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("5 decisions: ") and ("3 not known" if what == "facts" else "0 not known") in last


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "name a record with --from"),
        (("--from", "nowhere"), "there is no record at nowhere"),
        (("--from", "out", "--since", "soon"), "--since 'soon'"),
        (("--from", "out", "--with", "nowhere"), "there is no folder nowhere"),
        (("--from", "out", "--with", "broken"), "[missing-id]"),
    ],
)
def test_what_cannot_be_replayed_is_two(
    recorded: tuple[Office, str], arguments: tuple[str, ...], expected: str
) -> None:
    here = recorded[0]
    (here.folder / "broken").mkdir(exist_ok=True)
    (here.folder / "broken/a.cedar").write_text("permit(principal, action, resource);")
    code, out, err = here.run("replay", *arguments)
    assert (code, out) == (2, "")
    assert expected in err
