"""What the control plane shows of a running gateway, as plain values. Reads, changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any

from mcp_gateway.catalog.catalog import Catalog, SourceReport
from mcp_gateway.envelopes.policy.breaker import Circuit
from mcp_gateway.envelopes.policy.bulkhead import Places
from mcp_gateway.envelopes.policy.limits.limit import LimitTallies
from mcp_gateway.upstream.health import Health


def servers(catalogs: Mapping[str, Catalog]) -> list[dict[str, Any]]:
    """The virtual servers, and what each source contributes."""
    return [
        {
            "name": name,
            "path": f"/servers/{name}/mcp",
            "title": catalog.title,
            "tools": len(catalog.tools),
            "prompts": len(catalog.prompts),
            "resources": len(catalog.resources),
            "templates": len(catalog.templates),
            "sources": [_source(source) for source in catalog.sources],
            "problems": [str(problem) for problem in catalog.problems],
        }
        for name, catalog in catalogs.items()
    ]


def upstreams(
    health: Mapping[str, Health], circuits: Mapping[str, Circuit], places: Mapping[str, Places]
) -> list[dict[str, Any]]:
    """The upstreams and how they are."""
    now = monotonic()
    return [
        {
            **asdict(each),
            "breaker": circuits[name].state(now) if name in circuits else "closed",
            "waiting": places[name].waiting if name in places else 0,
        }
        for name, each in health.items()
    ]


def metrics(
    gauges: Mapping[str, int],
    counters: Mapping[str, int],
    health: Mapping[str, Health],
    circuits: Mapping[str, Circuit],
) -> str:
    """Counters and gauges in the Prometheus text format."""
    lines: list[str] = []
    for kind, values in (("gauge", gauges), ("counter", counters)):
        for name, value in values.items():
            lines += [f"# TYPE {name} {kind}", f"{name} {value}"]
    lines.append("# TYPE mcp_gateway_upstream_available gauge")
    lines += [f'mcp_gateway_upstream_available{{upstream="{n}"}} {int(h.available)}' for n, h in health.items()]
    lines.append("# TYPE mcp_gateway_upstream_restarts_total counter")
    lines += [f'mcp_gateway_upstream_restarts_total{{upstream="{n}"}} {h.restarts}' for n, h in health.items()]
    lines.append("# TYPE mcp_gateway_breaker_opened_total counter")
    lines += [f'mcp_gateway_breaker_opened_total{{upstream="{n}"}} {c.opened}' for n, c in circuits.items()]
    return "\n".join(lines) + "\n"


def limits(tallies: LimitTallies) -> str:
    """What limits did, in the same format."""
    lines = ["# TYPE mcp_gateway_limited_calls_total counter"]
    for outcome, tally in (
        ("refused", tallies.refused),
        ("would_refuse", tallies.would_refuse),
        ("failed_open", tallies.failed_open),
        ("failed_closed", tallies.failed_closed),
    ):
        for (server, rule), count in tally.items():
            labels = f'server="{server}",limit={json.dumps(rule, ensure_ascii=False)},outcome="{outcome}"'
            lines.append(f"mcp_gateway_limited_calls_total{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def _source(report: SourceReport) -> dict[str, Any]:
    return {
        "upstream": report.upstream,
        "available": report.available,
        "error": report.error,
        "version": report.version,
        "exposed": {kind.value: count for kind, count in report.exposed.items()},
        "dropped": {kind.value: count for kind, count in report.dropped.items()},
    }
