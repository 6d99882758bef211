"""What the control plane shows of a running gateway, as plain values. Reads, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any

from mcp_gateway.calls.kinds import ToolBinding
from mcp_gateway.catalog.catalog import Catalog, SourceReport
from mcp_gateway.catalog.pin_diff import differences, visible
from mcp_gateway.core.named import named
from mcp_gateway.envelopes.observability.audit.recorder import Recorder
from mcp_gateway.envelopes.policy.breaker import Circuit
from mcp_gateway.envelopes.policy.budgets.alerts import Alerts
from mcp_gateway.envelopes.policy.budgets.rules import NANO
from mcp_gateway.envelopes.policy.budgets.settling import Settling
from mcp_gateway.envelopes.policy.bulkhead import Places
from mcp_gateway.envelopes.policy.limits.limit import LimitTallies
from mcp_gateway.envelopes.policy.limits.pools import Pools
from mcp_gateway.envelopes.safety.engine import GuardTallies
from mcp_gateway.envelopes.safety.metadata.require import MetadataTallies
from mcp_gateway.methods.access import Access, Rules, seen
from mcp_gateway.pinning import Held
from mcp_gateway.settings.settings import Settings
from mcp_gateway.upstream.health import Health


def servers(catalogs: Mapping[str, Catalog], places: Mapping[str, Places]) -> list[dict[str, Any]]:
    """The virtual servers, what each source contributes, and the calls under way where those are limited."""
    return [_summary(catalog, places) for catalog in catalogs.values()]


def server(catalog: Catalog, places: Mapping[str, Places]) -> dict[str, Any]:
    """One virtual server with everything that it offers, by the names that agents see and those of the upstream."""
    return {
        **_summary(catalog, places),
        "digest": catalog.digest,
        "instructions": catalog.instructions,
        "tool_list": [_tool(tool) for tool in catalog.tools.values()],
        "prompt_list": [_named(each.name, each.upstream, each.upstream_name) for each in catalog.prompts.values()],
        "resource_list": [_named(each.uri, each.upstream, each.uri) for each in catalog.resources.values()],
        "template_list": [_named(each.template, each.upstream, each.template) for each in catalog.templates],
        "quarantined": sorted(catalog.quarantined),
    }


def upstreams(
    health: Mapping[str, Health],
    circuits: Mapping[str, Circuit],
    places: Mapping[str, Places],
    held: Mapping[str, Held],
) -> list[dict[str, Any]]:
    """The upstreams and how they are."""
    now = monotonic()
    return [
        {
            **asdict(each),
            **_circuit(circuits.get(name), now),
            **(_in_use(places[name]) if name in places else {"in_use": 0, "waiting": 0}),
            **_pinned(held.get(name)),
        }
        for name, each in health.items()
    ]


async def access(
    who: str,
    settings: Settings,
    version: str,
    catalogs: Mapping[str, Catalog],
    rules: Rules | None,
    **told: Any,
) -> Access:
    """What `who`, known as `told`, is shown of everything that is served."""
    principal = named(
        who,
        settings.identity.by_name,
        **told,
        anonymous=settings.gateway.anonymous_allowed,
        accounts=settings.identity.virtual_accounts,
    )
    return Access(who, version, await seen(catalogs, rules, principal))


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
    now = monotonic()
    lines.append("# TYPE mcp_gateway_breaker_open gauge")
    lines += [
        f'mcp_gateway_breaker_open{{upstream="{n}"}} {int(c.state(now) != "closed")}' for n, c in circuits.items()
    ]
    return "\n".join(lines) + "\n"


def places(kind: str, held: Mapping[str, Places]) -> str:
    """Calls that have a place and calls that wait for one, by their server or upstream, in the same format."""
    lines: list[str] = []
    for state, values in (
        ("in_use", {name: each.in_use for name, each in held.items()}),
        ("waiting", {name: each.waiting for name, each in held.items()}),
    ):
        lines.append(f"# TYPE mcp_gateway_{kind}_places_{state} gauge")
        lines += [f'mcp_gateway_{kind}_places_{state}{{{kind}="{name}"}} {value}' for name, value in values.items()]
    return "\n".join(lines) + "\n"


def snapshot(version: str) -> str:
    """Which snapshot is in force, in the same format."""
    return f'# TYPE mcp_gateway_snapshot_info gauge\nmcp_gateway_snapshot_info{{version="{version}"}} 1\n'


def quarantine(held: Mapping[str, Held]) -> str:
    """How many tools of each upstream may not be used, in the same format."""
    lines = ["# TYPE mcp_gateway_quarantined_tools gauge"]
    lines += [f'mcp_gateway_quarantined_tools{{upstream="{n}"}} {len(h.quarantined)}' for n, h in held.items()]
    return "\n".join(lines) + "\n"


def limits(tallies: LimitTallies, pools: Pools | None = None) -> str:
    """What limits did, and what kept `pools` from counting, in the same format."""
    lines = ["# TYPE mcp_gateway_limited_calls_total counter"]
    for outcome, tally in (
        ("refused", tallies.refused),
        ("would_refuse", tallies.would_refuse),
        ("failed_open", tallies.failed_open),
        ("failed_closed", tallies.failed_closed),
    ):
        for (server, rule), count in tally.items():
            labels = f'server="{server}",limit="{_label(rule)}",outcome="{outcome}"'
            lines.append(f"mcp_gateway_limited_calls_total{{{labels}}} {count}")
    for name, value in (("store_failures", pools.failures), ("overflows", pools.overflows)) if pools else ():
        lines += [f"# TYPE mcp_gateway_limit_{name}_total counter", f"mcp_gateway_limit_{name}_total {value}"]
    return "\n".join(lines) + "\n"


def budgets(settling: Settling, alerts: Alerts) -> str:
    """What budgets and their alerts did, in the same format."""
    tallies, store = settling.tallies, settling.store
    lines = ["# TYPE mcp_gateway_budget_requests_total counter"]
    for outcome, tally in (
        ("matched", tallies.nominated),
        ("refused", tallies.refused),
        ("would_refuse", tallies.would_refuse),
        ("failed_open", tallies.failed_open),
        ("failed_closed", tallies.failed_closed),
        ("unsettled", tallies.unsettled),
    ):
        for budget, count in tally.items():
            labels = f'budget="{_label(budget)}",outcome="{outcome}"'
            lines.append(f"mcp_gateway_budget_requests_total{{{labels}}} {count}")
    lines.append("# TYPE mcp_gateway_budget_alerts_total counter")
    for (budget, outcome), count in alerts.counts.items():
        lines.append(f'mcp_gateway_budget_alerts_total{{budget="{_label(budget)}",outcome="{outcome}"}} {count}')
    for name, value in (
        ("store_failures", store.failures),
        ("overflows", store.overflows),
    ):
        lines += [f"# TYPE mcp_gateway_budget_{name}_total counter", f"mcp_gateway_budget_{name}_total {value}"]
    return "\n".join(lines) + "\n"


def guardrails(tallies: GuardTallies) -> str:
    """What guardrails said and what came of it, in the same format."""
    lines = ["# TYPE mcp_gateway_guardrail_judgements_total counter"]
    for (name, hook, verdict, action), count in tallies.judged.items():
        labels = f'guardrail="{name}",hook="{hook}",verdict="{verdict}",action="{action}"'
        lines.append(f"mcp_gateway_guardrail_judgements_total{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def audit(recorder: Recorder | None) -> str:
    """What became of the records of calls, in the same format; nothing where none are kept."""
    if recorder is None:
        return ""
    counts = recorder.counts
    lines = ["# TYPE mcp_gateway_audit_records_total counter"]
    for outcome, count in (("written", counts.records), ("dropped", counts.dropped)):
        lines.append(f'mcp_gateway_audit_records_total{{outcome="{outcome}"}} {count}')
    lines.append("# TYPE mcp_gateway_audit_failures_total counter")
    for kind, count in (("write", counts.failures), ("sync", counts.unsynced)):
        lines.append(f'mcp_gateway_audit_failures_total{{kind="{kind}"}} {count}')
    lines.append("# TYPE mcp_gateway_audit_unrecorded_calls_total counter")
    for outcome, count in (("refused", counts.refused), ("allowed", counts.allowed)):
        lines.append(f'mcp_gateway_audit_unrecorded_calls_total{{outcome="{outcome}"}} {count}')
    lines.append("# TYPE mcp_gateway_audit_failing gauge")
    lines.append(f"mcp_gateway_audit_failing {int(recorder.failing)}")
    shipped = "" if recorder.shipping is None else recorder.shipping.text()
    return "\n".join(lines) + "\n" + shipped


def ready(recorder: Recorder | None) -> str:
    """What is told of a gateway that is ready. Copies of the record that do not arrive are no reason to send it no
    traffic: they are made later."""
    trouble = "" if recorder is None or recorder.shipping is None else recorder.shipping.trouble
    return f"ready; {trouble}" if trouble else "ready"


def metadata(tallies: MetadataTallies) -> str:
    """How often the metadata contract was broken, in the same format."""
    lines = ["# TYPE mcp_gateway_metadata_faults_total counter"]
    for outcome, tally in (("refused", tallies.refused), ("would_refuse", tallies.would_refuse)):
        for (server, fault), count in tally.items():
            labels = f'server="{server}",fault="{_label(fault)}",outcome="{outcome}"'
            lines.append(f"mcp_gateway_metadata_faults_total{{{labels}}} {count}")
    return "\n".join(lines) + "\n"


def _label(value: str) -> str:
    """What an admin wrote, as the format wants a label's value: three characters escaped, no others."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return escaped.encode("utf-8", "replace").decode()


def _summary(catalog: Catalog, places: Mapping[str, Places]) -> dict[str, Any]:
    name = catalog.server
    return {
        "name": name,
        "path": f"/servers/{name}/mcp",
        "title": catalog.title,
        "tools": len(catalog.tools),
        "prompts": len(catalog.prompts),
        "resources": len(catalog.resources),
        "templates": len(catalog.templates),
        "sources": [_source(source) for source in catalog.sources],
        "problems": [str(problem) for problem in catalog.problems],
        **(_in_use(places[name]) if name in places else {}),
    }


def _tool(tool: ToolBinding) -> dict[str, Any]:
    title = tool.definition.get("title")
    return {
        **_named(tool.name, tool.upstream, tool.upstream_name),
        "title": title if isinstance(title, str) else None,
        "read_only": tool.read_only,
        "destructive": tool.destructive,
        "idempotent": tool.idempotent,
        "open_world": tool.open_world,
        "scopes": list(tool.scopes),
        "tags": list(tool.tags),
        "cost_usd": tool.cost / NANO,
    }


def _named(name: str, upstream: str, upstream_name: str) -> dict[str, Any]:
    return {"name": name, "upstream": upstream, "upstream_name": upstream_name}


def _circuit(circuit: Circuit | None, now: float) -> dict[str, Any]:
    """The breaker, and what the last failure was that it counted."""
    if circuit is None:
        return {"breaker": "closed", "breaker_opened": 0, "failures": 0, "last_error": None, "last_error_at": None}
    error, at = circuit.last_error or (None, None)
    return {
        "breaker": circuit.state(now),
        "breaker_opened": circuit.opened,
        "failures": circuit.failures,
        "last_error": error,
        "last_error_at": at,
    }


def _in_use(places: Places) -> dict[str, int]:
    return {"in_use": places.in_use, "waiting": places.waiting}


def _pinned(held: Held | None) -> dict[str, Any]:
    """What differs from the lock, under ``quarantined`` where it may therefore not be used."""
    if held is None:
        return {"pinning": "off", "quarantined": [], "drifted": []}
    told = [{"tool": visible(d.tool), "drift": d.drift.value, "differences": differences(d)} for d in held.drifted]
    apart = {visible(each.tool) for each in held.quarantined}
    return {
        "pinning": held.mode,
        "quarantined": [each for each in told if each["tool"] in apart],
        "drifted": [each for each in told if each["tool"] not in apart],
    }


def _source(report: SourceReport) -> dict[str, Any]:
    return {
        "upstream": report.upstream,
        "available": report.available,
        "error": report.error,
        "version": report.version,
        "exposed": {kind.value: count for kind, count in report.exposed.items()},
        "dropped": {kind.value: count for kind, count in report.dropped.items()},
    }
