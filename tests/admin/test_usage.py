"""Usage over the control plane: the numbers of the command, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.admin.moments import moment
from mcp_gateway.envelopes.observability.ledger.usage import Group, Sums, TooMany
from tests.admin.making import Control, plane

GROUPS = [Group((f"team{number}", None), Sums(1, 2, 3, 4, 5_000_000_000 - number, 1)) for number in range(5)]


async def ask(control: Control, **params: Any) -> tuple[int, Any]:
    async with plane(control).client("rita") as http:
        answer = await http.get("/api/usage", params=params)
    return answer.status_code, answer.json()


async def test_groups_are_told_with_their_figures_and_a_total() -> None:
    control = Control()
    control.groups = GROUPS
    status, told = await ask(control, group_by="team,metadata.project_id", since="2026-01-01T00:30:00Z")
    assert status == 200
    assert told["items"][0] == {
        "keys": {"team": "team0", "metadata.project_id": None},
        "requests": 1, "attempts": 2, "input_tokens": 3, "output_tokens": 4, "cost_usd": 5.0, "unpriced": 1,
    }  # fmt: skip
    assert (told["by"], told["since"], told["until"]) == (
        ["team", "metadata.project_id"],
        "2026-01-01T00:00:00.000Z",
        None,
    )
    assert (told["total"]["requests"], told["total"]["cost_usd"], told["next"]) == (5, 24.99999999, None)
    assert control.asked == [(("team", "metadata.project_id"), moment("2026-01-01"), None, 10_000)]


async def test_its_pages_are_of_one_window_and_each_has_the_whole_total() -> None:
    control = Control()
    control.groups = GROUPS
    found: list[str] = []
    told: dict[str, Any] = {}
    params = {"limit": 2, "since": "7d", "until": "1h", "group_by": ["team", "model"]}
    for _ in range(3):
        status, told = await ask(control, **params)
        assert (status, told["total"]["attempts"]) == (200, 10)
        found += [each["keys"]["team"] for each in told["items"]]
        params = {"limit": 2, "cursor": told["next"], "group_by": ["team", "model"]}
    assert (found, told["next"]) == ([f"team{number}" for number in range(5)], None)
    assert len(set(control.asked)) == 1


@pytest.mark.parametrize("group_by", ["bad key", ",", ",".join("abcdefghi")])
async def test_what_cannot_be_grouped_by_is_refused(group_by: str) -> None:
    status, told = await ask(Control(), group_by=group_by)
    assert (status, told["reason"]) == (400, "unknown_key")


async def test_more_groups_than_can_be_sorted_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_many(*_: object, **__: object) -> list[Group]:
        raise TooMany("more than 10000 groups")

    control = Control()
    monkeypatch.setattr(control, "usage", too_many)
    status, told = await ask(control)
    assert (status, told["reason"]) == (422, "too_many_groups")


async def test_a_database_that_is_down_is_said_to_be() -> None:
    control = Control()
    control.down = True
    status, told = await ask(control)
    assert (status, told["reason"]) == (503, "identity_unavailable")
