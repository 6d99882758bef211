"""Who gets into the control plane, and how far."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI

from mcp_gateway.admin.changes import Changes
from mcp_gateway.admin.guard import Guard
from mcp_gateway.admin.roles import TABLE, Role, role_of
from mcp_gateway.core.asgi.hosts import AllowedOrigins
from mcp_gateway.core.frozen import freeze
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.refusals import Refusals
from tests.admin.making import BASE, Control, Given, Plane, plane

ROUTES = sorted(TABLE.items(), key=lambda each: each[0])
HOLDERS = {"rita": Role.READER, "prom": Role.READER, "otto": Role.OPERATOR, "ada": Role.ADMIN, "nobody": None}


def asked(path: str) -> str:
    """A path that a route takes."""
    return re.sub(r"{[^}]*}", "x", path) + ("?as=anybody" if path == "/api/access" else "")


async def ask(here: Plane, method: str, path: str, bearer: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    async with here.client(bearer, **headers) as http:
        answer = await http.request(method, path)
    is_json = answer.headers.get("content-type") == "application/json"
    return answer.status_code, {**dict(answer.headers), **(answer.json() if is_json and answer.text[:1] == "{" else {})}


@pytest.mark.parametrize(("route", "needed"), ROUTES, ids=str)
async def test_each_route_takes_the_role_that_the_table_says(route: tuple[str, str], needed: Role | None) -> None:
    method, path = route[0], asked(route[1])
    status, told = await ask(plane(), method, path)
    if needed is None:
        assert status == 200
        return
    assert (status, told["www-authenticate"]) == (401, "Bearer")
    for bearer, role in HOLDERS.items():
        status, told = await ask(plane(), method, path, bearer)
        if role is None or role < needed:
            assert (status, told["reason"], told["role"]) == (403, "role_required", needed.word), bearer
        else:
            assert status not in (401, 403), (bearer, told)


async def test_nothing_is_done_for_who_may_not() -> None:
    here = plane()
    for bearer in ("", "mallory", "rita", "nobody"):
        assert (await ask(here, "POST", "/reload", bearer))[0] in (401, 403)
        assert (await ask(here, "DELETE", "/api/connections/corp|alice/tickets", bearer))[0] in (401, 403)
    assert (here.control.reloads, len(here.control.rows)) == (0, 2)
    assert (await ask(here, "POST", "/reload", "otto"))[0] == 200
    assert here.control.reloads == 1


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "/api", "/api/", "/api/servers/", "//api/servers", "/api/%2e%2e/reload", "/metrics/", "/DOCS"],
)
async def test_what_is_not_there_is_told_to_readers_only(path: str) -> None:
    assert (await ask(plane(), "GET", path))[0] == 401
    assert (await ask(plane(), "GET", path, "nobody"))[0] == 403
    assert (await ask(plane(), "GET", path, "rita"))[0] == 404


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "TRACE", "get", "POST"])
async def test_another_method_opens_nothing(method: str) -> None:
    for path in ("/api/snapshot", "/docs", "/api/connections/a/b", "/metrics"):
        assert (await ask(plane(), method, path))[0] == 401
    assert (await ask(plane(), "OPTIONS", "/api/snapshot", "rita"))[0] == 405
    headers = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    assert not [
        name for name in (await ask(plane(), "OPTIONS", "/api/snapshot", "rita", **headers))[1] if "allow-o" in name
    ]


async def test_a_foreign_host_or_page_is_refused_where_no_credential_is_asked_for() -> None:
    open_to_all = plane(guarded=False)
    for method, path in (("GET", "/healthz"), ("GET", "/api/snapshot"), ("POST", "/reload")):
        assert (await ask(open_to_all, method, path, host="evil.example"))[0] == 421
        assert (await ask(open_to_all, method, path, origin="https://evil.example"))[0] == 403
        assert (await ask(open_to_all, method, path, host="localhost:8081"))[0] == 200
    assert open_to_all.control.reloads == 1


async def test_with_a_credential_a_name_matters_no_more_and_open_facts_stay_guarded() -> None:
    """A scraper knows an address; a page that a browser was led to has no credential."""
    far = {"host": "10.1.2.3:8081"}
    for on_loopback in (True, False):
        here = plane(on_loopback=on_loopback, open_metrics=True)
        assert (await ask(here, "GET", "/api/snapshot", "rita", **far))[0] == 200
        assert (await ask(here, "GET", "/api/snapshot", **far))[0] == 401
        assert (await ask(here, "GET", "/metrics", **far))[0] == 421
        assert (await ask(here, "GET", "/metrics", "garbage", **far))[0] == 421
        assert (await ask(here, "GET", "/metrics"))[0] == 200
        assert (await ask(here, "GET", "/readyz", **far))[0] == (421 if on_loopback else 200)


async def test_an_issuer_that_is_down_lets_nobody_in_and_says_when_to_come_back() -> None:
    here = plane()
    here.door.down = True
    status, told = await ask(here, "GET", "/api/snapshot", "ada")
    assert (status, told["reason"], told["retry-after"]) == (503, "identity_unavailable", "3")
    assert (await ask(here, "GET", "/healthz"))[0] == 200


async def test_a_route_without_a_role_is_not_served() -> None:
    app = FastAPI()

    @app.get("/api/secrets")
    async def secrets() -> str:
        return "all of them"

    allowed, lines, measures = AllowedOrigins.derive(BASE), MemoryLines(), Measures()
    refused, changes = Refusals(lines, measures), Changes(lines, measures)
    with pytest.raises(RuntimeError, match="/api/secrets"):
        Guard(app, allowed, entrance=lambda: None, refused=refused, changes=changes)


def user(**more: Any) -> Principal:
    return Principal("corp|alice", "alice", email="alice@example.com", **more)


@pytest.mark.parametrize(
    ("principal", "admin", "has"),
    [
        (user(), "corp|alice", True),
        (user(), "alice", False),
        (user(), "alice@example.com", False),
        (user(), "lab|alice", False),
        (user(teams=("sre",)), "team:sre", True),
        (user(teams=("sre",)), "team:sr", False),
        (user(), "virtual_account:alice", False),
        (Principal("virtual_account:ci", "ci", kind="virtual_account"), "virtual_account:ci", True),
        (Principal("virtual_account:ci", "ci", kind="virtual_account", teams=("sre",)), "team:sre", True),
        (user(claims=freeze({"realm_access": {"roles": ["gw", "x"]}})), "claim:realm_access.roles=gw", True),
        (user(claims=freeze({"realm_access": {"roles": ["gw"]}})), "claim:realm_access.roles=g", False),
        (user(claims=freeze({"role": "gw=1"})), "claim:role=gw=1", True),
        (user(claims=freeze({"role": True})), "claim:role=True", False),
        (user(claims=freeze({"role": [["gw"]]})), "claim:role=gw", False),
        (user(claims=freeze({"role": {"gw": 1}})), "claim:role=gw", False),
        (user(), "claim:role=None", False),
        (Principal("virtual_account:ci", "ci", kind="virtual_account", claims={"r": "gw"}), "claim:r=gw", False),
    ],
)
def test_whose_role_it_is(principal: Principal, admin: str, has: bool) -> None:
    assert role_of(principal, Given(admin=[admin])) is (Role.ADMIN if has else None)


def test_the_highest_role_counts() -> None:
    given = Given(reader=["corp|alice"], operator=["team:ops"], admin=["team:root"])
    assert role_of(user(), given) is Role.READER
    assert role_of(user(teams=("ops",)), given) is Role.OPERATOR
    assert role_of(user(teams=("ops", "root")), given) is Role.ADMIN


async def test_an_unguarded_control_plane_sees_all(tmp_path: Any) -> None:
    async with plane(Control(), guarded=False, record=tmp_path).client() as http:
        assert (await http.get("/api/decisions", params={"principal": "corp|anybody"})).status_code == 200
