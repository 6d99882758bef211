"""What the control plane leaves on record: whom it refused, and what was changed over it. Never what was asked with."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from mcp_gateway.admin.control import Reloaded
from mcp_gateway.admin.explain.story import lines, tell
from mcp_gateway.admin.roles import TABLE
from tests.admin.making import BASE, Control, Plane, plane
from tests.envelopes.observability.audit.support import begin

CANARY = "canary-5f0e77"
ALICE = "/api/connections/corp|alice/tickets"
FIELDS = {
    *("time", "event", "request_id", "principal", "role", "client_address", "http_method", "route", "path"),
    *("status", "outcome", "reason", "duration_ms"),
}


def refusals(here: Plane) -> dict[tuple[str, ...], float]:
    return dict(here.measures.refusals.counts)


def story(record: dict[str, Any]) -> str:
    return "\n".join(lines(tell(record["request_id"], [{**record, "chain": "c", "seq": 1}])))


class Case(NamedTuple):
    """Who is refused, and how that is recorded."""

    reason: str
    status: int
    bearer: str = ""
    principal: str | None = None
    method: str = "GET"
    path: str = "/api/snapshot"
    host: str = ""
    origin: str = ""
    guarded: bool = True


REFUSED = (
    Case("unauthenticated", 401),
    Case("unauthenticated", 401, CANARY, method="POST", path=f"/reload?token={CANARY}"),
    Case("unauthenticated", 401, CANARY, path="/nowhere"),
    Case("role_required", 403, "nobody", "corp|nobody"),
    Case("role_required", 403, "rita", "corp|rita", "POST", "/reload"),
    Case("role_required", 403, "rita", "corp|rita", "DELETE", ALICE),
    Case("role_required", 403, "rita", "corp|rita", path="/api/decisions?principal=corp|ada"),
    Case("host_not_allowed", 421, host="evil.example", guarded=False),
    Case("host_not_allowed", 421, host="evil.example", path="/healthz"),
    Case("origin_not_allowed", 403, method="POST", path="/reload", origin="https://evil.example", guarded=False),
)


@pytest.mark.parametrize("case", REFUSED)
async def test_whom_it_refuses_is_counted_and_recorded_once(case: Case, tmp_path: Path) -> None:
    here = plane(guarded=case.guarded, record=tmp_path)
    headers = {name: value for name, value in (("host", case.host), ("origin", case.origin)) if value}
    async with here.client(case.bearer, **headers) as http:
        answer = await http.request(case.method, case.path)
    assert answer.status_code == case.status, answer.text
    (record,) = here.lines.records
    about = (record["event"], record["plane"], record["reason"], record["status"], record["outcome"])
    assert about == ("refused", "control", case.reason, case.status, "refused")
    assert (record["http_method"], record["path"]) == (case.method, case.path.partition("?")[0])
    assert (record["principal"], record["client_address"]) == (case.principal, "127.0.0.1")
    assert record["request_id"] == answer.headers["x-request-id"]
    assert refusals(here) == {("control", case.reason): 1}
    told = story(record)
    assert f"refused: {case.reason} (" in told and f"{case.method} {record['path']} of the control plane" in told
    assert CANARY not in json.dumps(record) + told and "evil" not in json.dumps(record)


async def test_an_issuer_that_is_down_is_on_record() -> None:
    here = plane()
    here.door.down = True
    async with here.client("ada") as http:
        assert (await http.post("/reload")).status_code == 503
    (record,) = here.lines.records
    assert (record["event"], record["reason"], record["status"]) == ("refused", "identity_unavailable", 503)


async def test_strangers_do_not_fill_the_record() -> None:
    here = plane(unknown=50)
    async with here.client() as stranger, here.client("nobody") as known:
        for http in (stranger, known):
            assert {(await http.post("/reload")).status_code for _ in range(20)} <= {401, 403}
    told = here.records("refused")
    assert sum(each["principal"] is None for each in told) == 5, "the tenth part for one address"
    assert sum(each["principal"] == "corp|nobody" for each in told) == 20
    assert refusals(here) == {("control", "unauthenticated"): 20, ("control", "role_required"): 20}
    (unrecorded,) = here.records("unrecorded")
    assert unrecorded["refusals"] == {"unauthenticated": 15}


async def test_every_answer_has_an_id_of_its_own(tmp_path: Path) -> None:
    here, ids = plane(record=tmp_path), []
    async with here.client("ada") as http:
        for method, path in (*TABLE, ("GET", "/nowhere"), ("PUT", "/reload"), ("GET", "/api/decisions?limit=x")):
            answer = await http.request(method, path.replace("{principal:path}", "a"))
            ids += answer.headers.get_list("x-request-id")
    assert len(ids) == len(set(ids)) == len(TABLE) + 3
    assert len({each.partition("-")[0] for each in ids}) == 1 and {len(each.partition("-")[0]) for each in ids} == {12}


class Stubborn(Control):
    """A gateway that does not reload."""

    async def reload(self) -> Reloaded:
        return Reloaded(False, "s", ("gateway.yaml:1:1: no",))


class Broken(Control):
    async def reload(self) -> Reloaded:
        raise RuntimeError(CANARY)

    def servers(self) -> list[dict[str, Any]]:
        raise RuntimeError(CANARY)


class Change(NamedTuple):
    """What was done, and how that is recorded."""

    method: str
    path: str
    route: str | None
    status: int
    outcome: str = "ok"
    reason: str | None = None
    control: type[Control] = Control
    down: bool = False


DISCONNECT = "/api/connections/{principal}/{upstream}"
CHANGES = (
    Change("POST", f"/reload?token={CANARY}", "/reload", 200),
    Change("POST", "/reload", "/reload", 422, "refused", "configuration_error", Stubborn),
    Change("POST", "/reload", "/reload", 500, "failed", "internal_error", Broken),
    Change("DELETE", ALICE, DISCONNECT, 200),
    Change("DELETE", "/api/connections/corp|mallory/else", DISCONNECT, 404, "refused", "unknown_connection"),
    Change("DELETE", ALICE, DISCONNECT, 503, "failed", "identity_unavailable", Control, True),
    Change("POST", "/api/nothing", None, 404, "refused", "not_found"),
    Change("PUT", "/api/snapshot", None, 405, "refused", "method_not_allowed"),
    Change("POST", f"/connect/{CANARY}", None, 404, "refused", "not_found"),
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("bearer", ["otto", ""])
async def test_what_is_changed_is_on_record_once(change: Change, bearer: str) -> None:
    control = change.control()
    control.down = change.down
    here = plane(control, guarded=bool(bearer))
    transport = httpx.ASGITransport(here.guard, raise_app_exceptions=False)
    credential = {"authorization": f"Bearer {bearer}"} if bearer else {}
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=credential) as http:
        answer = await http.request(change.method, change.path)
    assert answer.status_code == change.status, answer.text
    (record,) = here.lines.records
    assert record.keys() == FIELDS
    about = tuple(record[name] for name in ("event", "http_method", "route", "status", "outcome", "reason"))
    assert about == ("control", change.method, change.route, change.status, change.outcome, change.reason)
    assert (record["principal"], record["role"]) == (("corp|otto", "operator") if bearer else (None, "admin"))
    assert record["request_id"] == answer.headers["x-request-id"] and record["client_address"] == "127.0.0.1"
    assert isinstance(record["duration_ms"], float) and record["duration_ms"] > 0
    path = "/connect/…" if change.path.startswith("/connect/") else change.path.partition("?")[0]
    assert record["path"] == path
    assert refusals(here) == ({} if change.reason is None else {("control", change.reason): 1})
    told = story(record)
    assert (f"{change.outcome}: {change.reason} (" if change.reason else "allowed, and done") in told
    assert f"{change.method} {path} of the control plane" in told and f"HTTP {change.status}" in told
    assert CANARY not in json.dumps(record) + told


async def test_looking_leaves_no_record(tmp_path: Path) -> None:
    here = plane(record=tmp_path)
    async with here.client("ada") as http:
        for method in ("GET", "HEAD"):
            for path in ("/healthz", "/api/snapshot", "/api/decisions", "/api/decisions/abc-1", "/nowhere", "/metrics"):
                await http.request(method, path)
    assert here.lines.records == [] and refusals(here) == {}


@pytest.mark.parametrize(("bearer", "principal"), [("rita", "corp|rita"), ("", None)])
async def test_a_defect_met_by_looking_is_on_record(bearer: str, principal: str | None) -> None:
    here = plane(Broken(), guarded=bool(bearer))
    transport = httpx.ASGITransport(here.guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
        answer = await http.get("/api/servers", headers={"authorization": f"Bearer {bearer}"})
    assert (answer.status_code, CANARY in answer.text) == (500, False)
    (record,) = here.lines.records
    about = tuple(record[name] for name in ("event", "plane", "reason", "outcome", "principal", "request_id"))
    told = answer.headers["x-request-id"]
    assert about == ("refused", "control", "internal_error", "failed", principal, told)
    assert CANARY not in json.dumps(record)


class Slow(Control):
    """Says when a reload has begun, and never ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def reload(self) -> Reloaded:
        self.begun.set()
        never: asyncio.Future[Reloaded] = asyncio.get_running_loop().create_future()
        return await never


async def test_a_change_that_was_never_answered_is_said_to_be() -> None:
    control = Slow()
    here = plane(control)
    async with here.client("otto") as http:
        asked = asyncio.create_task(http.post("/reload"))
        await control.begun.wait()
        assert here.lines.records == []
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    (record,) = here.lines.records
    assert (record["status"], record["outcome"], record["reason"]) == (None, "failed", "unanswered")
    assert "what became of it is not known" in story(record) and "Answer   none" in story(record)


async def test_hostile_words_stay_in_their_field() -> None:
    here = plane()
    async with here.client("otto") as http:
        await http.request("X\x1b[31m", "/api/connections/corp|a%0a%1b[31m" + "x" * 400 + "/b")
    (record,) = here.lines.records
    assert record["event"] == "control" and len(str(record["path"])) < 400
    assert all(str(value).isprintable() for value in record.values())


async def test_the_record_of_it_is_listed_and_told_like_any_other(tmp_path: Path) -> None:
    here = plane()
    for bearer, path in (("otto", "/reload"), ("rita", "/reload"), ("", f"/connect/{CANARY}")):
        async with here.client(bearer) as http:
            await http.post(path)
    chain = begin(tmp_path / "audit")
    for record in here.lines.records:
        chain.append(record)
    assert chain.flush()
    shown = plane(record=tmp_path / "audit")
    async with shown.client("ada") as http:
        listed = (await http.get("/api/decisions")).json()["items"]
        told = [[each[name] for name in ("plane", "method", "target", "principal", "outcome")] for each in listed]
        assert sorted(told, key=str) == [
            ["control", "POST", "/connect/…", None, "refused"],
            ["control", "POST", "/reload", "corp|otto", "ok"],
            ["control", "POST", "/reload", "corp|rita", "refused"],
        ]
        for each in listed:
            answer = (await http.get(f"/api/decisions/{each['request_id']}")).json()
            assert answer["ended"] and [step["about"] for step in answer["steps"]][:3] == ["Outcome", "When", "Who"]
        grouped = (await http.get("/api/refusals", params={"by": "plane,reason", "since": "1h"})).json()["items"]
        assert sorted((*each["keys"].values(), each["count"]) for each in grouped) == [
            ("control", "role_required", 1),
            ("control", "unauthenticated", 1),
        ]
    async with shown.client("rita") as http:
        assert [each["principal"] for each in (await http.get("/api/decisions")).json()["items"]] == ["corp|rita"]
    chain.close()
