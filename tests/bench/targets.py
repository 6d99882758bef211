"""What the gateway is to reach. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.bench.measure import Figures


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its bound: the least that is wanted, or with `most` the most."""

    name: str
    wanted: float
    read: Callable[[Report], float | None]
    most: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one bench found.

    `identity_added_ms` is what identity adds to the same call, by cell, `guarded_added_ms` what guardrails do, and
    `observed_added_ms` what tracing every call and the audit chain do together. `rss_mb` is the most of the gateways
    without either, `guarded_rss_mb` of the one with guardrails, which loads what finds things. `llm` is what
    `models_report` makes of requests to models.
    """

    scenarios: Mapping[str, Figures]
    rss_mb: float
    cold_start_s: float
    machine: Mapping[str, object]
    noise: Mapping[str, float]
    wrong: Mapping[str, int]
    identity_added_ms: Mapping[str, float | None] = field(default_factory=dict)
    guarded_added_ms: Mapping[str, float | None] = field(default_factory=dict)
    guarded_rss_mb: float | None = None
    observed_added_ms: Mapping[str, float | None] = field(default_factory=dict)
    llm: Mapping[str, float | None] = field(default_factory=dict)

    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Each target that this bench measured: wanted, measured, met."""
        found: dict[str, dict[str, Any]] = {}
        for target in TARGETS:
            measured = target.read(self)
            if measured is not None:
                met = measured <= target.wanted if target.most else measured >= target.wanted
                found[target.name] = {"wanted": target.wanted, "measured": measured, "met": met}
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "scenarios": {name: asdict(one) for name, one in self.scenarios.items()},
            "rss_mb": self.rss_mb,
            "guarded_rss_mb": self.guarded_rss_mb,
            "cold_start_s": self.cold_start_s,
            "machine": dict(self.machine),
            "noise": dict(self.noise),
            "wrong_answers": dict(self.wrong),
            "identity_added_p50_ms": dict(self.identity_added_ms),
            "guarded_added_ms": dict(self.guarded_added_ms),
            "observed_added_ms": dict(self.observed_added_ms),
            **self.llm,
            "targets": self.verdicts(),
        }


def _figure(scenario: str, name: str) -> Callable[[Report], float | None]:
    def read(report: Report) -> float | None:
        figures = report.scenarios.get(scenario)
        value: float | None = None if figures is None else getattr(figures, name)
        return value

    return read


def _list_added(report: Report) -> float | None:
    """What filtering a list costs the core, in milliseconds a list: the open list is prepared once for everybody."""
    rates = [_figure(name, "rps")(report) for name in ("governed_tools_list_200", "tools_list_200")]
    governed, everybodys = rates
    return None if not governed or not everybodys else round(1000 / governed - 1000 / everybodys, 4)


TARGETS: Final = (
    Target("ratio_new_c32", 0.60, _figure("open_new_json_c32", "ratio_to_forwarder")),
    Target("ratio_old_c32", 0.45, _figure("open_old_json_c32", "ratio_to_forwarder")),
    Target("added_p50_ms_new_c1", 0.35, _figure("open_new_json_c1", "added_p50_ms"), most=True),
    Target("added_p50_ms_old_c1", 0.35, _figure("open_old_json_c1", "added_p50_ms"), most=True),
    Target("identity_added_p50_ms_new_c1", 0.05, lambda r: r.identity_added_ms.get("new_json_c1"), most=True),
    Target("identity_added_p50_ms_old_c1", 0.05, lambda r: r.identity_added_ms.get("old_json_c1"), most=True),
    Target("governed_rps_new_c32", 3000.0, _figure("governed_new_json_c32", "rps")),
    Target("governed_added_p50_ms_new_c1", 0.5, _figure("governed_new_json_c1", "added_p50_ms"), most=True),
    Target("governed_list_added_ms", 0.2, _list_added, most=True),
    Target("guarded_added_ms", 0.4, lambda r: r.guarded_added_ms.get("new_full_c1"), most=True),
    Target("observed_added_ms", 0.12, lambda r: r.observed_added_ms.get("new_json_c1"), most=True),
    Target("observed_rps_new_c32", 3000.0, _figure("observed_new_json_c32", "rps")),
    Target("tools_list_200_rps", 5000.0, _figure("tools_list_200", "rps")),
    Target("llm_rps", 3000.0, lambda report: report.llm.get("llm_rps")),
    Target("llm_added_ms", 0.5, lambda report: report.llm.get("llm_added_ms"), most=True),
    Target("llm_chunks_per_s", 25_000.0, lambda report: report.llm.get("llm_chunks_per_s")),
    Target("llm_first_token_added_ms", 0.6, lambda report: report.llm.get("llm_first_token_added_ms"), most=True),
    Target("llm_rss_mb", 150.0, lambda report: report.llm.get("llm_rss_mb"), most=True),
    Target("rss_mb", 120.0, lambda report: report.rss_mb, most=True),
    Target("cold_start_s", 1.5, lambda report: report.cold_start_s, most=True),
)
