"""The control plane's list of connections, and how one is ended there."""

from __future__ import annotations

import pytest

from tests.admin.making import Control, plane


async def test_connections_are_listed_and_narrowed() -> None:
    async with plane(guarded=False).client() as http:
        listed = (await http.get("/api/connections")).json()
        assert (len(listed["items"]), listed["next"]) == (2, None)
        params = {"principal": "corp|alice", "upstream": "tickets"}
        assert (await http.get("/api/connections", params=params)).json() == {"items": [params], "next": None}
        assert (await http.get("/api/connections", params={"upstream": "other"})).json()["items"] == []


async def test_pages_together_are_all_of_them_each_once() -> None:
    control = Control()
    control.rows = [{"principal": f"corp|p{number // 2}", "upstream": f"u{number % 2}"} for number in range(7)]
    found, cursor = [], None
    async with plane(control, guarded=False).client() as http:
        for _ in range(4):
            params: dict[str, str | int] = {"limit": 2, **({} if cursor is None else {"cursor": cursor})}
            page = (await http.get("/api/connections", params=params)).json()
            found += page["items"]
            cursor = page["next"]
    assert (found, cursor) == (control.rows, None)


@pytest.mark.parametrize("principal", ["corp|alice", "corp|https://id/a/b"])
async def test_one_is_ended_whatever_its_subject_looks_like(principal: str) -> None:
    control = Control()
    async with plane(control, guarded=False).client() as http:
        answer = await http.delete(f"/api/connections/{principal}/tickets")
        assert answer.status_code == 200
        assert answer.json() == {"principal": principal, "upstream": "tickets", "revocation": "started"}
        assert len(control.rows) == 1
        assert (await http.delete(f"/api/connections/{principal}/tickets")).status_code == 404


async def test_a_vault_that_is_down_is_said_to_be() -> None:
    control = Control()
    control.down = True
    async with plane(control, guarded=False).client() as http:
        for answer in (await http.get("/api/connections"), await http.delete("/api/connections/corp|alice/tickets")):
            assert answer.status_code == 503 and answer.headers["retry-after"] == "7"
            assert answer.json()["reason"] == "identity_unavailable"
