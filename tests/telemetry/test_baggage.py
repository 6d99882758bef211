"""Baggage of callers: nothing is taken unless its key is named; that goes on to upstreams and providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import receiving
from tests.telemetry.site import Site, site, spans

GIVEN = "tenant=blue%20team;p=1,secret=canary-51ac"


@pytest.fixture
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


async def asked(here: Site) -> None:
    await here.complete(headers={"baggage": GIVEN})
    await here.call(name="a_look_up", arguments={"word": "x"}, headers={"baggage": GIVEN})
    await here.call(name="a_look_up", arguments={"word": "y"}, meta={"baggage": GIVEN})


async def test_nothing_is_taken_by_default(tmp_path: Path, upstream: Recording) -> None:
    with receiving() as collector:
        async with site(tmp_path, upstream, collector) as here:
            await asked(here)
            await spans(collector, 6)
            sent = here.double.requests[-1].headers
        bodies = b"".join(collector.bodies)
    assert "baggage" not in sent
    assert upstream.holds(["baggage", "blue", "canary-51ac"]) == []
    assert b"blue" not in bodies and b"canary-51ac" not in bodies


@pytest.mark.parametrize("traced", [True, False])
async def test_keys_that_are_named_go_on_in_meta_and_headers(
    tmp_path: Path, upstream: Recording, *, traced: bool
) -> None:
    wanted = {"baggage": {"forward": ["tenant"]}}
    with receiving() as collector:
        async with site(tmp_path, upstream, collector if traced else None, **wanted) as here:
            await asked(here)
            sent = here.double.requests[-1].headers
    assert sent["baggage"] == "tenant=blue%20team"
    both = ["baggage: tenant=blue%20team", '"baggage":"tenant=blue%20team"']
    assert upstream.holds(both) == both
    assert upstream.holds(["canary-51ac"]) == []


async def test_keys_that_are_named_are_attributes(tmp_path: Path, upstream: Recording) -> None:
    with receiving() as collector:
        async with site(tmp_path, upstream, collector, baggage={"attributes": ["tenant"]}) as here:
            await asked(here)
            found = await spans(collector, 6)
        bodies = b"".join(collector.bodies)
    told = [span.attributes.get("mcp_gateway.baggage.tenant") for span in found if span.kind == 2]
    assert told == ["blue team"] * 3
    assert b"canary-51ac" not in bodies
    assert upstream.holds(["blue%20team"]) == [], "an attribute goes nowhere else"
