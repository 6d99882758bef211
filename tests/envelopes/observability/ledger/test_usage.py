"""Sums by all keys, on both databases, against sums of the entries themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.database import Database
from mcp_gateway.envelopes.observability.ledger.entry import Entry, write_entry
from mcp_gateway.envelopes.observability.ledger.rows import Rows
from mcp_gateway.envelopes.observability.ledger.usage import (
    BUILT_IN,
    Group,
    Sums,
    TooMany,
    UnknownKey,
    since_hour,
    usage,
)
from tests.envelopes.observability.ledger.support import TENANT, entry
from tests.support_state import KINDS, fresh

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture(params=KINDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secret]:
    """A fresh database at the present revision, of each kind."""
    with fresh(request.param, tmp_path) as url:
        yield url


def entries() -> list[Entry]:
    """Two days of completions and tool calls; the second request needed two attempts."""
    pay = {"team": "payments", "project_id": "p1", 'odd"key': "yes"}
    return [
        entry(at=DAY, metadata=pay),
        entry(at=DAY + 5, metadata=pay, status="upstream_timeout", last=False, input=0, output=0, cost=0),
        entry(at=DAY + 6, metadata=pay, attempt=2, target="anthropic-main/x", provider="anthropic-main", cost=None),
        entry(at=2 * DAY, metadata={"team": "data"}, principal="corp|bob", teams=("b", "a")),
        entry(
            at=2 * DAY + HOUR, plane="mcp", server="finance", asked="book", target="ledger/post", provider="ledger",
            input=0, output=0, cost=2_000_000, metadata={},
        ),
    ]  # fmt: skip


async def grouped(url: Secret, *by: str, since: float = 0.0, tenant: str = TENANT, **more: Any) -> list[Group]:
    database = Database(url)
    await Rows(database, tenant=TENANT).put([write_entry(each) for each in entries()])
    try:
        return await usage(database, tenant=tenant, by=by, since=since, **more)
    finally:
        await database.close()


CASES: list[tuple[tuple[str, ...], list[tuple[str | None, ...]]]] = [
    (("team",), [("payments",), ("data",)]),
    (("team", "project_id"), [("payments", None), ("payments", "p1"), ("data", None)]),
    (("metadata.team",), [(None,), ("payments",), ("data",)]),
    (("teams",), [("payments",), ("a,b",)]),
    (("principal",), [("corp|alice",), ("corp|bob",)]),
    (("plane",), [("mcp",), ("llm",)]),
    (("tool",), [("ledger/post",), (None,)]),
    (("model",), [(None,), ("prod/assistant",)]),
    (("provider",), [("ledger",), ("openai-main",), ("anthropic-main",)]),
    (("target",), [("ledger/post",), ("openai-main/gpt-4o-mini",), ("anthropic-main/x",)]),
    (("server",), [("finance",), ("chat",)]),
    (("status",), [("ok",), ("upstream_timeout",)]),
    (("day", "plane"), [("1970-01-03", "mcp"), ("1970-01-02", "llm"), ("1970-01-03", "llm")]),
    (('odd"key',), [(None,), ("yes",)]),
    (("nobody-has-it",), [(None,)]),
]


@pytest.mark.parametrize(("by", "expected"), CASES, ids=lambda case: ",".join(map(str, case)))
async def test_groups_come_the_dearest_first(
    state_url: Secret, by: tuple[str, ...], expected: list[tuple[str | None, ...]]
) -> None:
    found = await grouped(state_url, *by)
    assert [group.keys for group in found] == expected
    assert sum((group.sums for group in found), Sums()) == Sums(
        requests=4, attempts=5, input=3000, output=300, cost=2_420_000, unpriced=1
    )


def test_every_built_in_key_has_a_case() -> None:
    assert {by[0] for by, _ in CASES} >= set(BUILT_IN)


async def test_sums_are_those_of_the_entries(state_url: Secret) -> None:
    first, second, third = await grouped(state_url, "target")
    assert first.sums == Sums(requests=1, attempts=1, cost=2_000_000)
    assert second.sums == Sums(requests=2, attempts=3, input=2000, output=200, cost=420_000)
    assert third.sums == Sums(requests=1, attempts=1, input=1000, output=100, unpriced=1)


async def test_since_is_the_hour_it_is_in_and_tenants_are_apart(state_url: Secret) -> None:
    (one, two) = await grouped(state_url, "plane", since=2 * DAY + 1800)
    assert one.sums.attempts == two.sums.attempts == 1
    assert since_hour(2 * DAY + 1800) == 2 * DAY
    assert await grouped(state_url, "plane", since=3 * DAY) == []
    assert await grouped(state_url, "plane", tenant="other") == []


async def test_a_key_that_cannot_be_is_refused(state_url: Secret) -> None:
    for key in ("", "two words", "metadata.", "x" * 200):
        with pytest.raises(UnknownKey):
            await grouped(state_url, key)


@pytest.mark.parametrize(
    ("since", "until", "requests"),
    [
        (0.0, None, 4),
        (0.0, 2 * DAY, 2),
        (0.0, 2 * DAY + 1, 3),
        (0.0, 2 * DAY + HOUR, 3),
        (0.0, 2 * DAY + HOUR + 0.5, 4),
        (2 * DAY, 2 * DAY, 0),
        (DAY, DAY, 0),
    ],
)
async def test_it_ends_with_the_hour_before_the_end(
    state_url: Secret, since: float, until: float | None, requests: int
) -> None:
    found = await grouped(state_url, "plane", since=since, until=until)
    assert sum(group.sums.requests for group in found) == requests


async def test_more_groups_than_are_wanted_are_refused(state_url: Secret) -> None:
    assert len(await grouped(state_url, "plane", most=2)) == 2
    with pytest.raises(TooMany):
        await grouped(state_url, "plane", most=1)
