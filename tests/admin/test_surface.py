"""What the control plane consists of: its routes, the table of roles, its own description, and the page for people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI

from mcp_gateway.admin.api import build
from mcp_gateway.admin.described import ROLE
from mcp_gateway.admin.guard import routes_of
from mcp_gateway.admin.roles import METRICS, TABLE
from tests.admin.making import Control, plane
from tests.support import ROOT

PAGE = (ROOT / "docs" / "control-plane.md").read_text()
LISTED = dict(re.findall(r"^\| `((?:GET|POST|DELETE) /\S*)` \| (\w+) \|", PAGE, re.MULTILINE))
"""The routes and roles that people are told of: the list that is checked in."""

TOLD = {f"{method} {path.replace(':path}', '}')}": role for (method, path), role in TABLE.items()}


@pytest.fixture
async def app() -> FastAPI:
    return build(Control(), version="1")


async def test_every_route_has_a_role_and_every_role_a_route(app: FastAPI) -> None:
    assert sorted(routes_of(app)) == sorted(TABLE)


async def test_without_metrics_there_is_no_such_route() -> None:
    assert sorted(routes_of(build(Control(), version="1", metrics=False))) == sorted(set(TABLE) - {METRICS})


def test_people_are_told_of_every_route_and_its_role() -> None:
    assert {route: "none" if role is None else role.word for route, role in TOLD.items()} == LISTED


async def test_the_description_names_the_same_roles_and_what_refusals_look_like(app: FastAPI) -> None:
    described: dict[str, dict[str, Any]] = {
        f"{method.upper()} {path}": operation
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert {route: operation[ROLE] for route, operation in described.items()} == {
        route: role for route, role in LISTED.items() if route not in ("GET /docs", "GET /openapi.json")
    }
    for route, operation in described.items():
        guarded = operation[ROLE] != "none"
        assert ("security" in operation, {"401", "403"} <= operation["responses"].keys()) == (guarded, guarded), route


async def test_every_answer_is_described(app: FastAPI) -> None:
    """No operation answers just anything, but for the text of metrics and what differs by its question."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            answer = operation["responses"]["200"]["content"]
            schema = answer.get("application/json", {}).get("schema", {})
            assert path == "/metrics" or "$ref" in schema or schema.get("items") or path == "/api/access", (
                method,
                path,
            )


async def test_lists_that_grow_have_one_shape_and_bounds(app: FastAPI) -> None:
    document = app.openapi()
    for path in ("/api/connections", "/api/decisions", "/api/refusals", "/api/usage"):
        operation = document["paths"][path]["get"]
        named = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert {"items", "next"} <= document["components"]["schemas"][named]["properties"].keys()
        limit, cursor = (
            next(p["schema"] for p in operation["parameters"] if p["name"] == n) for n in ("limit", "cursor")
        )
        assert limit["minimum"] == 1 and limit["maximum"] <= 1000
        assert cursor["anyOf"][0]["maxLength"] <= 8192


HOSTILE = ["0", "-1", "1001", "1e9", "999999999999999999999", "NaN", "", "1 OR 1", "٣"]
CURSORS = ["x", "====", "W10", "bnVsbA", "../../etc/passwd", "%00", "W251bGwsbnVsbF0", "é", "A" * 9000, "W1siYSJdXQ"]


@pytest.mark.parametrize("path", ["/api/connections", "/api/decisions", "/api/refusals", "/api/usage"])
async def test_hostile_parameters_are_refused_with_reasons(path: str, tmp_path: Any) -> None:
    async with plane(record=tmp_path).client("ada") as http:
        for limit in HOSTILE:
            answer = await http.get(path, params={"limit": limit})
            assert answer.status_code == 422 or (limit == "1001" and answer.status_code == 422), (limit, answer.text)
        for cursor in CURSORS:
            answer = await http.get(path, params={"cursor": cursor})
            assert answer.status_code in (400, 422), (cursor, answer.text)
            assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/decisions", "/api/refusals", "/api/usage"])
@pytest.mark.parametrize(
    "text", ["yesterday", "24", "-1h", "9999999999999h", "2026-13-01", "0001-01-01T00:00:00+23:59", "9" * 60]
)
async def test_times_that_mean_nothing_are_refused(path: str, text: str, tmp_path: Any) -> None:
    async with plane(record=tmp_path).client("ada") as http:
        for name in ("since", "until"):
            answer = await http.get(path, params={name: text})
            # So long ago that there was no time yet is the beginning of time.
            assert answer.status_code == (200 if text == "9999999999999h" else 400), (name, answer.text)
