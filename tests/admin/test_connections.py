"""The control plane's list of connections, and how one is ended there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from mcp_gateway.admin.api import build
from mcp_gateway.admin.control import Reloaded
from mcp_gateway.core.errors import IdentityUnavailable


class Control:
    """A gateway with two connections."""

    def __init__(self) -> None:
        self.down = False
        self.rows = [
            {"principal": "corp|alice", "upstream": "tickets"},
            {"principal": "corp|https://id/a/b", "upstream": "tickets"},
        ]

    async def connections(self, principal: str | None, upstream: str | None) -> list[dict[str, Any]]:
        if self.down:
            raise IdentityUnavailable("the vault cannot be asked", retry_after=7.0)
        return [
            row for row in self.rows if principal in (None, row["principal"]) and upstream in (None, row["upstream"])
        ]

    async def disconnect(self, principal: str, upstream: str) -> dict[str, Any] | None:
        found = await self.connections(principal, upstream)
        for row in found:
            self.rows.remove(row)
        return {**found[0], "revocation": "started"} if found else None

    def ready(self) -> tuple[bool, str]:
        return True, "ready"

    def servers(self) -> list[dict[str, Any]]:
        return []

    def upstreams(self) -> list[dict[str, Any]]:
        return []

    def snapshot(self) -> dict[str, Any]:
        return {}

    def metrics(self) -> str:
        return ""

    async def reload(self) -> Reloaded:
        return Reloaded(True, "s")

    def identities(self) -> list[str]:
        return []

    async def access(
        self,
        who: str,
        *,
        teams: tuple[str, ...],
        scopes: tuple[str, ...],
        email: str | None,
        claims: Mapping[str, object],
    ) -> dict[str, Any]:
        return {}

    def definitions(self, upstream: str) -> dict[str, Any] | None:
        return None


def client(control: Control) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(build(control, version="1")), base_url="http://admin")


async def test_connections_are_listed_and_narrowed() -> None:
    async with client(Control()) as http:
        assert len((await http.get("/api/connections")).json()) == 2
        params = {"principal": "corp|alice", "upstream": "tickets"}
        assert (await http.get("/api/connections", params=params)).json() == [params]
        assert (await http.get("/api/connections", params={"upstream": "other"})).json() == []


@pytest.mark.parametrize("principal", ["corp|alice", "corp|https://id/a/b"])
async def test_one_is_ended_whatever_its_subject_looks_like(principal: str) -> None:
    control = Control()
    async with client(control) as http:
        answer = await http.delete(f"/api/connections/{principal}/tickets")
        assert answer.status_code == 200
        assert answer.json() == {"principal": principal, "upstream": "tickets", "revocation": "started"}
        assert len(control.rows) == 1
        assert (await http.delete(f"/api/connections/{principal}/tickets")).status_code == 404


async def test_a_vault_that_is_down_is_said_to_be() -> None:
    control = Control()
    control.down = True
    async with client(control) as http:
        for answer in (await http.get("/api/connections"), await http.delete("/api/connections/corp|alice/tickets")):
            assert answer.status_code == 503 and answer.headers["retry-after"] == "7"
            assert answer.json()["reason"] == "identity_unavailable"
