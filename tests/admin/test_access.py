"""Who sees what, asked of the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from httpx import AsyncClient

from mcp_gateway.core.named import named
from tests.admin.making import Control as Base
from tests.admin.making import plane


class Control(Base):
    """A gateway whose policies name two."""

    def identities(self) -> list[str]:
        return ["team:finance", "virtual_account:ci"]

    async def access(
        self,
        who: str,
        *,
        teams: tuple[str, ...],
        scopes: tuple[str, ...],
        email: str | None,
        claims: Mapping[str, object],
    ) -> dict[str, Any]:
        principal = named(who, {"corp": "https://login/"}, teams=teams, scopes=scopes, email=email, claims=claims)
        return {
            "principal": principal.id,
            "teams": principal.teams,
            "scopes": sorted(principal.scopes),
            "email": principal.email,
            "claims": principal.claims,
        }


@pytest.fixture
async def client() -> AsyncClient:
    return plane(Control(), guarded=False).client()


async def test_the_identities_that_policies_name_are_listed(client: AsyncClient) -> None:
    async with client:
        assert (await client.get("/api/identities")).json() == ["team:finance", "virtual_account:ci"]


async def test_a_principal_is_asked_about_with_all_that_a_token_would_say(client: AsyncClient) -> None:
    query = "as=corp|a%26b&team=x&team=y&scope=s&email=a@b&claim=dept=ops&claim=dept=hr&claim=eq=a=b"
    async with client:
        found = (await client.get(f"/api/access?{query}")).json()
    assert found == {
        "principal": "corp|a&b",
        "teams": ["x", "y"],
        "scopes": ["s"],
        "email": "a@b",
        "claims": {"dept": ["ops", "hr"], "eq": ["a=b"]},
    }


async def test_nobody_of_that_name_is_not_found(client: AsyncClient) -> None:
    async with client:
        answer = await client.get("/api/access", params={"as": "lab|alice"})
        assert (answer.status_code, "no issuer" in answer.json()["detail"]) == (404, True)
        assert (await client.get("/api/access")).status_code == 422
