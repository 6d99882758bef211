"""What of a running gateway goes to collectors, and what /metrics shows of its requests: built once per process.

Without a collector there are no spans and nothing of OpenTelemetry is loaded. Where telemetry goes is fixed for the
life of a process; how much is told can change.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from mcp_gateway.core.live import Live
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.observability.detail import Detail
from mcp_gateway.envelopes.observability.lines import LineSink
from mcp_gateway.envelopes.observability.metrics.exposition import single
from mcp_gateway.envelopes.observability.metrics.lag import WatchLoop
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.envelopes.observability.traces.exporting import Exporting
from mcp_gateway.envelopes.observability.traces.span import Told
from mcp_gateway.envelopes.observability.traces.tracer import Tracer

METRICS_SECONDS: Final = 15.0
"""How often metrics are sent."""

_OTLP: Final = "mcp_gateway.envelopes.observability.traces.otlp"
_MOST_METRICS: Final = 4
_SWITCH_SECONDS: Final = 0.0005
"""The event loop waits no longer than this for the thread that exports, which by default may have 5 ms at a time."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Where telemetry goes, and under which labels. Without `endpoint` nothing is sent."""

    endpoint: str | None = None
    protocol: Literal["http", "grpc"] = "http"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    metric_labels: Sequence[str] = ()
    prometheus: bool = True


class Log(Protocol):
    """Where it is told that a collector takes nothing, or does again."""

    def warning(self, event: str, **told: Any) -> Any: ...

    def info(self, event: str, **told: Any) -> Any: ...


class Telemetry:
    """The measures of a process, its tracer if there is one, and their way out."""

    def __init__(self, terms: Terms, *, version: str, detail: Detail | None = None, log: Log | None = None) -> None:
        self.terms = terms
        self.detail: Live[Detail] = Live(detail or Detail())
        self.measures = Measures(terms.metric_labels)
        self.tracer: Tracer | None = None
        self._lag = WatchLoop(self.measures.lag)
        self._log = log
        self._well: dict[str, bool] = {"spans": True, "metrics": True}
        self._since = time.time_ns()
        self._shown: Callable[[], str] = self.text
        self._timer: asyncio.TimerHandle | None = None
        self._otlp: Any = None
        self._spans: Exporting[Told] | None = None
        self._metrics: Exporting[tuple[str, int, int]] | None = None
        self._switch: float | None = None
        if terms.endpoint is not None:
            self._connect(terms, terms.endpoint, version)

    def _connect(self, terms: Terms, endpoint: str, version: str) -> None:
        headers = {name: value.reveal() for name, value in terms.headers.items()}
        make = importlib.import_module(_OTLP).Otlp
        who = {"version": version, "instance": str(uuid.uuid4())}
        self._otlp = make(endpoint, terms.protocol, headers, originals=self.measures.originals, **who)
        self._spans = Exporting(self._otlp.spans, done=lambda well: self._went("spans", well=well))
        self._metrics = Exporting(
            lambda batch: len(batch) if self._otlp.metrics(*batch[-1]) else 0,
            most=_MOST_METRICS,
            every=1.0,
            done=lambda well: self._went("metrics", well=well),
        )
        self.tracer = Tracer(self._spans.put, self.detail.current.ratio)

    def apply(self, detail: Detail) -> None:
        """Tell so much of requests from now on."""
        self.detail.swap(detail)
        if self.tracer is not None:
            self.tracer.sample(detail.ratio)

    def refusals(self, sink: LineSink, most: int) -> Refusals:
        """What counts, records into `sink` and traces the requests that no pipeline sees."""
        return Refusals(sink, self.measures, self.tracer, most=most)

    def start(self, shown: Callable[[], str]) -> None:
        """Begin inside the running loop. `shown` is all that /metrics shows, sent to the collector as well."""
        self._shown = shown
        self._lag.start()
        if self._spans is not None and self._metrics is not None:
            self._switch = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_SECONDS)
            self._spans.start()
            self._metrics.start()
            self._later()

    async def close(self) -> None:
        """Send what is left, for as long as that may take, and stop."""
        self._lag.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._show()
        await asyncio.to_thread(self._end)
        if self._switch is not None:
            sys.setswitchinterval(self._switch)

    def text(self) -> str:
        """The measures of requests and of telemetry itself in the Prometheus text format."""
        shown = self.measures.text()
        if self._spans is not None and self._metrics is not None:
            for name, value in (
                ("spans_sent", self._spans.sent),
                ("spans_dropped", self._spans.dropped),
                ("metric_exports_failed", self._metrics.dropped),
            ):
                says = f"Telemetry: {name.replace('_', ' ')}."
                shown += single(f"mcp_gateway_telemetry_{name}_total", "counter", says, value)
            says = "Spans that wait to be sent."
            shown += single("mcp_gateway_telemetry_spans_waiting", "gauge", says, self._spans.waiting)
        return shown

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(METRICS_SECONDS, self._tick)

    def _tick(self) -> None:
        self._show()
        self._later()

    def _show(self) -> None:
        if self._metrics is not None:
            self._metrics.put((self._shown(), self._since, time.time_ns()))

    def _end(self) -> None:
        if self._spans is not None and self._metrics is not None:
            self._spans.close(self._otlp.close_spans)
            self._metrics.close(self._otlp.close_metrics)

    def _went(self, what: str, *, well: bool) -> None:
        """Tell of a change. Called in the threads that export."""
        if well is self._well[what]:
            return
        self._well[what] = well
        if self._log is None:
            return
        if well:
            self._log.info("the collector takes telemetry again", what=what)
        else:
            self._log.warning("the collector does not take telemetry: it is dropped and counted", what=what)


def off() -> Telemetry:
    """Telemetry that measures and sends nothing."""
    return Telemetry(Terms(), version="")
