"""Lists that are shown to people only are read as the person who asks, before the request is served."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from types import MappingProxyType

import pytest
from pydantic import TypeAdapter

from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.upstream_auth import UpstreamAuth
from tests.ingress.rig import Rig, desk, offer, tool


class Reading:
    """Stands for the reading: notes who it was for, and puts what was read in force."""

    def __init__(self, rig: Rig, *, needed: bool = True) -> None:
        self.rig = rig
        self.needed = needed
        self.asked: list[str] = []
        served = rig.served.current["desk"]
        rig.served.swap(MappingProxyType({"desk": replace(served, acquaint=self)}))

    def __call__(self, principal: Principal) -> Awaitable[object] | None:
        self.asked.append(principal.id)
        return self._read() if self.needed else None

    async def _read(self) -> None:
        self.rig.swap(offer("up", (tool("found"),)))


async def names(rig: Rig, user: str) -> list[str]:
    result = await rig.modern("tools/list", {}, user=user).result()
    return [entry["name"] for entry in result["tools"]]


async def test_the_request_that_has_lists_read_is_served_what_was_read() -> None:
    rig = Rig(inventories=(offer("up", ()),))
    reading = Reading(rig)
    assert await names(rig, "alice") == ["found"]
    assert reading.asked == ["corp|alice"]


async def test_nothing_is_waited_for_where_nothing_has_to_be_read() -> None:
    rig = Rig(inventories=(desk(),))
    reading = Reading(rig, needed=False)
    assert "echo" in await names(rig, "bob")
    assert reading.asked == ["corp|bob"]


async def test_who_is_refused_has_nothing_read() -> None:
    rig = Rig(inventories=(desk(),))
    reading = Reading(rig)
    exchange = rig.modern("tools/list", {}, user="nobody")
    await exchange.done()
    assert exchange.status == 401 and reading.asked == []


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "none"}, False),
        ({"type": "header", "headers": {"X-K": None}, "level": "per_user"}, True),
        ({"type": "client_credentials", "token_url": "https://a/t", "client_id": "g", "client_secret": "s"}, False),
        ({"type": "token_exchange", "token_url": "https://a/t", "client_id": "g", "client_secret": "s"}, True),
        ({"type": "authorization_code"}, True),
    ],
)
def test_which_upstreams_know_people(auth: dict[str, object], expected: bool) -> None:
    if "client_secret" in auth:
        auth["client_secret"] = Secret("s")
    made: UpstreamAuth = TypeAdapter(UpstreamAuth).validate_python(auth)
    assert made.per_person is expected
