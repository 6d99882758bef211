"""A reload of `telemetry`: how much is told is applied at once; where it goes is said to take a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm_proxy.plane.serving import write
from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import receiving
from tests.telemetry.site import PARENT, Site, site, spans


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


async def reload(here: Site, **telemetry: Any) -> Any:
    sections = {"upstreams": {"archive": {"url": here.upstream.url}}, "telemetry": telemetry}
    write(here.gateway.folder, here.double, gateway=sections)
    return await here.gateway.here.gateway.reload()


async def test_the_ratio_of_traces_is_applied(tmp_path: Path, upstream: Recording) -> None:
    with receiving() as collector:
        async with site(tmp_path, upstream, collector, trace_ratio=0.0) as here:
            await here.call("tools/list")
            assert (await reload(here, otlp_endpoint=collector.url, trace_ratio=1.0)).ok
            await here.call("prompts/list")
            assert (await reload(here, otlp_endpoint=collector.url, trace_ratio=0.0)).ok
            await here.call("resources/list")
            await here.call("ping", meta={"traceparent": PARENT})
            found = await spans(collector, 2)
    assert [span.attributes["mcp.method.name"] for span in found] == ["prompts/list", "ping"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("otlp_endpoint", "https://elsewhere.example:4318"),
        ("otlp_protocol", "grpc"),
        ("otlp_headers", {"X-Token": "env:PROVIDER_KEY"}),
        ("prometheus", False),
        ("metric_labels", ["team"]),
        ("audit", {"unknown_per_minute": 1}),
    ],
)
async def test_where_telemetry_goes_takes_a_restart(
    tmp_path: Path, upstream: Recording, name: str, value: object
) -> None:
    with receiving() as collector:
        async with site(tmp_path, upstream, collector, content="none") as here:
            done = await reload(here, **{"otlp_endpoint": collector.url, "content": "redacted", name: value})
            assert not done.ok
            (problem,) = done.problems
            assert f"`telemetry.{name}` changed: restart the gateway to apply it" in problem
            await here.call(name="a_look_up", arguments={"word": "x"})
            found = await spans(collector, 2)
    assert [key for span in found for key in span.attributes if key.startswith("gen_ai.tool.call")] == []
