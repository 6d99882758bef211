"""Metrics in the Prometheus text format 0.0.4, written and read back. Pure.

Names follow OpenTelemetry's rules for Prometheus: dots become underscores, and a unit that is one is at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.observability.metrics.histogram import Counts, Histogram

_UNITS: Final[Mapping[str, str]] = MappingProxyType({"s": "_seconds", "{token}": ""})
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_:]")
_TYPE: Final = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)")
_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)", re.DOTALL)
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_WRITTEN: Final = re.compile(r"\\(.)")

Labels = Mapping[str, str]


@dataclass(slots=True)
class Family:
    """One metric and its samples: suffix of the name, labels, value."""

    name: str
    kind: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Original:
    """What a metric and its labels are called by the conventions, by what the format calls them."""

    name: str
    unit: str
    labels: Mapping[str, str]


def originals(metrics: Iterable[Histogram | Counts], labels: Mapping[str, str]) -> Mapping[str, Original]:
    """Of each of `metrics`, by its name in the format. `labels` are those that are called otherwise again."""
    found: dict[str, Original] = {}
    for metric in metrics:
        unit = metric.unit if isinstance(metric, Histogram) else ""
        known = {exposed(each): labels.get(each, each) for each in metric.labels}
        found[exposed(metric.name, unit)] = Original(metric.name, unit, MappingProxyType(known))
    return MappingProxyType(found)


def label(value: str) -> str:
    """A label's value as the format wants it: three characters escaped, no others."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return escaped.encode("utf-8", "replace").decode()


def exposed(name: str, unit: str = "") -> str:
    """The name of a metric or label as Prometheus has it."""
    return _NOT_IN_NAMES.sub("_", name) + _UNITS.get(unit, "")


def histogram(metric: Histogram) -> str:
    """A histogram's lines."""
    name = exposed(metric.name, metric.unit)
    lines = [f"# HELP {name} {metric.says}", f"# TYPE {name} histogram"]
    for labels, counts, total in metric.series():
        given = _written(labels)
        before = f"{given}," if given else ""
        below = 0
        for bound, count in zip(metric.bounds, counts, strict=False):
            below += count
            lines.append(f'{name}_bucket{{{before}le="{bound:g}"}} {below}')
        below += counts[-1]
        held = f"{{{given}}}" if given else ""
        lines.append(f'{name}_bucket{{{before}le="+Inf"}} {below}')
        lines += [f"{name}_sum{held} {total!r}", f"{name}_count{held} {below}"]
    return "\n".join(lines) + "\n"


def counter(metric: Counts) -> str:
    """A counter's lines."""
    name = exposed(metric.name)
    lines = [f"# HELP {name} {metric.says}", f"# TYPE {name} counter"]
    for values, count in metric.counts.items():
        given = _written(dict(zip(metric.labels, values, strict=True)))
        lines.append(f"{name}{{{given}}} {count!r}" if given else f"{name} {count!r}")
    return "\n".join(lines) + "\n"


def single(name: str, kind: str, says: str, value: float, labels: Labels | None = None) -> str:
    """The lines of a metric with one sample."""
    given = _written(labels or {})
    sample = f"{name}{{{given}}} {value!r}" if given else f"{name} {value!r}"
    return f"# HELP {name} {says}\n# TYPE {name} {kind}\n{sample}\n"


def read(text: str) -> Sequence[Family]:
    """The families of a text that was written here. Raises `ValueError` for one that breaks the format."""
    families: list[Family] = []
    for line in text.split("\n"):
        if not line or line.startswith("# HELP "):
            continue
        kind = _TYPE.fullmatch(line)
        if kind is not None:
            families.append(Family(kind[1], kind[2]))
            continue
        sample = _SAMPLE.fullmatch(line)
        if sample is None or not families or not sample[1].startswith(families[-1].name):
            raise ValueError("a line that is no sample of the metric above it")
        family = families[-1]
        family.samples.append((sample[1].removeprefix(family.name), dict(_labels(sample[2] or "")), float(sample[3])))
    return families


def _written(labels: Labels) -> str:
    return ",".join(f'{exposed(name)}="{label(value)}"' for name, value in labels.items())


def _labels(written: str) -> Iterator[tuple[str, str]]:
    end = 0
    while end < len(written):
        found = _LABEL.match(written, end)
        if found is None:
            raise ValueError("labels that break the format")
        yield found[1], _WRITTEN.sub(lambda each: "\n" if each[1] == "n" else each[1], found[2])
        end = found.end()
