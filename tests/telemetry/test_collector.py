"""A collector that is down, slow or comes and goes: no request waits, memory is bounded, what is lost is counted."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_gateway.envelopes.observability.traces import exporting
from tests.real.recording import Recording, static_upstream
from tests.support import ROOT
from tests.telemetry.receiver import Receiver, receiving
from tests.telemetry.site import Site, site, spans

MOST = 8


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


async def counted(here: Site, name: str) -> int:
    found = re.search(rf"^mcp_gateway_telemetry_{name} (\d+)$", await here.metrics(), re.MULTILINE)
    assert found is not None
    return int(found[1])


async def accounted(here: Site) -> int:
    """How many spans are known to have arrived or to be lost."""
    shown = await here.metrics()
    return sum(
        int(count) for count in re.findall(r"^mcp_gateway_telemetry_spans_(?:sent|dropped)_total (\d+)$", shown, re.M)
    )


async def until(here: Site, name: str, least: int) -> int:
    async with asyncio.timeout(30):
        while (count := await counted(here, name)) < least:
            await asyncio.sleep(0.02)
        return count


async def test_while_the_collector_hangs_nobody_waits_and_the_queue_is_bounded(
    tmp_path: Path, upstream: Recording, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting.Exporting.__init__, "__kwdefaults__", {**_DEFAULTS, "most": MOST, "every": 0.05})
    collector.hold.clear()
    async with site(tmp_path, upstream, collector) as here:
        # The first batch hangs at the collector; what comes then fills the queue.
        answers = [await here.complete() for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}, "and none of them waited for the collector"
        assert await until(here, "spans_dropped_total", 1) > 0
        assert await counted(here, "spans_waiting") <= MOST
        assert collector.spans == []
        collector.hold.set()
        first = await until(here, "spans_sent_total", 1)
        await here.complete()
        # The call just made may have found room or not, and what waited before it goes out in batches: all are told in
        # the end, each once.
        async with asyncio.timeout(30):
            while (told := await accounted(here)) < 42:
                await asyncio.sleep(0.02)
        assert told == 42, "every span is one or the other"
        assert await counted(here, "spans_sent_total") == len(await spans(collector, first))


async def test_a_collector_that_refuses_is_counted_and_taken_back(
    tmp_path: Path, upstream: Recording, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting.Exporting.__init__, "__kwdefaults__", {**_DEFAULTS, "every": 0.05})
    collector.status = 400
    async with site(tmp_path, upstream, collector) as here:
        await here.complete()
        assert await until(here, "spans_dropped_total", 2) == 2
        collector.status = 200
        await here.complete()
        assert await until(here, "spans_sent_total", 2) == 2
        assert len(await spans(collector, 2)) == 2


async def test_without_a_collector_there_is_no_span_and_no_context_goes_out(
    tmp_path: Path, upstream: Recording
) -> None:
    async with site(tmp_path, upstream, None) as here:
        await here.complete()
        called = await here.call(name="a_look_up", arguments={"word": "x"})
        shown = await here.metrics()
        assert "traceparent" not in here.double.requests[-1].headers
    assert called["result"]["content"][0]["text"] == "x: found"
    assert "mcp_gateway_telemetry" not in shown
    assert "mcp_server_operation_duration_seconds_count" in shown


async def test_metrics_can_be_switched_off(tmp_path: Path, upstream: Recording) -> None:
    async with site(tmp_path, upstream, None, prometheus=False) as here:
        answer = await here.http.get(f"{here.gateway.here.control}/metrics")
        assert answer.status_code == 404


def test_exporters_are_loaded_by_those_only_who_have_a_collector() -> None:
    program = "import sys, mcp_gateway.cli.run; print(*(name for name in sys.modules if 'opentelemetry' in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not [
        name for name in done.stdout.split() if name.startswith(("opentelemetry.exporter", "opentelemetry.sdk"))
    ]


async def test_the_headers_of_the_configuration_go_to_the_collector_and_nowhere_else(
    tmp_path: Path, upstream: Recording, collector: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "canary-9b1d2c"
    (tmp_path / "token").write_text(secret)
    async with site(tmp_path, upstream, collector, otlp_headers={"X-Token": f"file:{tmp_path / 'token'}"}) as here:
        await here.complete()
        await spans(collector, 2)
        shown = await here.metrics()
    assert {headers["x-token"] for headers in collector.headers} == {secret}
    out = capfd.readouterr()
    assert secret not in shown + out.out + out.err
    assert not any(secret.encode() in body for body in collector.bodies)


async def test_no_secret_of_a_request_is_in_a_span_or_a_metric(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    secrets = ["canary-prompt-1", "canary-argument-2", "canary-bearer-3", "canary-query-4", "provider-key-1"]
    async with site(tmp_path, upstream, collector) as here:
        refused = await here.complete(headers={"authorization": f"Bearer {secrets[2]}"})
        assert refused.status_code == 401
        cookie = {"cookie": secrets[2]}
        await here.complete(messages=[{"role": "user", "content": secrets[0]}], headers=cookie)
        await here.call(name="a_look_up", arguments={"word": secrets[1]}, headers=cookie)
        await here.call("resources/read", uri=f"https://example.com/a?token={secrets[3]}")
        await spans(collector, 1)
    # Leaving sends what is left: spans of all three, and the metrics.
    assert len(collector.spans) >= 3 and collector.metrics
    assert [s for s in secrets if any(s.encode() in body for body in collector.bodies)] == []


_DEFAULTS = dict(exporting.Exporting.__init__.__kwdefaults__ or {})
