"""What /metrics shows, as OpenTelemetry's metric values: cumulative since the process began.

One source for both ways out. What the conventions name has their names again; all else that of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcp_gateway.envelopes.observability.metrics.exposition import Family, Labels, Original


def metrics_data(
    families: Iterable[Family],
    originals: Mapping[str, Original],
    resource: Resource,
    scope: InstrumentationScope,
    since: int,
    at: int,
) -> MetricsData:
    """`families` as exporters take them, under their `originals`. Times are in nanoseconds since 1970."""
    made = [_metric(_renamed(family, originals), since, at) for family in families if family.samples]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, made, "")], "")])


def _renamed(family: Family, originals: Mapping[str, Original]) -> tuple[Family, str]:
    """The family under the conventions' names, and its unit."""
    original = originals.get(family.name)
    if original is None:
        return family, "s" if family.name.endswith("_seconds") else ""

    def named(labels: Labels) -> Labels:
        return {original.labels.get(name, name): value for name, value in labels.items()}

    samples = [(suffix, named(labels), value) for suffix, labels, value in family.samples]
    return Family(original.name, family.kind, samples), original.unit


def _metric(named: tuple[Family, str], since: int, at: int) -> Metric:
    family, unit = named
    data: Gauge | Histogram | Sum
    if family.kind == "histogram":
        data = Histogram(_histograms(family, since, at), AggregationTemporality.CUMULATIVE)
    else:
        points = [NumberDataPoint(dict(labels), since, at, value) for _, labels, value in family.samples]
        counts = family.kind == "counter"
        data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True) if counts else Gauge(points)
    return Metric(family.name, "", unit, data)


def _histograms(family: Family, since: int, at: int) -> Sequence[HistogramDataPoint]:
    """The points of a histogram, whose samples stand label set by label set: buckets, sum, count."""
    points: list[HistogramDataPoint] = []
    below: list[tuple[str, float]] = []
    total = 0.0
    for suffix, labels, value in family.samples:
        match suffix:
            case "_bucket":
                below.append((labels["le"], value))
            case "_sum":
                total = value
            case _:
                bounds = [float(bound) for bound, _ in below[:-1]]
                upto = [int(count) for _, count in below]
                counts = [count - before for before, count in zip([0, *upto[:-1]], upto, strict=True)]
                count = int(value)
                unknown: Any = None  # nobody kept the least and the greatest, and the wire may lack them
                points.append(
                    HistogramDataPoint(dict(labels), since, at, count, total, counts, bounds, unknown, unknown)
                )
                below = []
    return points
