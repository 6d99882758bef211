"""What is written and has no effect, and what is silently absent. Pure.

A section that parses but has no effect would be believed: each is a notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.governance import PolicySettings
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.settings.virtual_servers import VirtualServerSettings


def notices(
    gateway: GatewaySettings,
    servers: Sequence[VirtualServerSettings],
    *,
    locked: bool,
) -> Iterator[str]:
    """One sentence for everything that is written and has no effect, and for what is silently absent."""
    if gateway.policies is None:
        yield "No policies: every caller may use every tool of every virtual server."
    if gateway.policies == "none":
        yield "policies: none: every caller may use every tool of every virtual server."
    if isinstance(gateway.policies, PolicySettings) and gateway.policies.mode == "audit":
        yield "policies in audit mode: what they deny is recorded and done all the same."
    if gateway.metadata is not None and gateway.metadata.mode == "audit":
        yield "metadata in audit mode: what breaks the contract is recorded and done all the same."
    if isinstance(gateway.policies, PolicySettings) and gateway.policies.record == "values":
        yield "policies.record: values: what policies read of arguments and results is in the record of calls."
    if gateway.upstreams and not locked:
        yield "No tools.lock: what upstreams say of their tools is believed. `mcp-gateway lock` pins it."
    if gateway.server.base_url.startswith("http:") and not gateway.server.public_on_loopback:
        yield "server.public_url is plain http: credentials of callers can be read on the way."
    admin = gateway.server.admin
    if admin.auth is not None and (admin.public_url or "").startswith("http:") and not admin.public_on_loopback:
        yield "server.admin.public_url is plain http: credentials of admins can be read on the way."
    yield from _unconnectable(gateway)
    yield from _told(gateway)
    for server in servers:
        if gateway.models is None and any(tool.cost for source in server.sources for tool in source.tools.values()):
            yield f"virtual server `{server.name}`: `cost` has no effect without `budgets` in models.yaml."
        for source in server.sources:
            if not gateway.upstreams[source.upstream].enabled:
                yield f"virtual server `{server.name}`: upstream `{source.upstream}` is disabled."
    if not servers and gateway.models is None:
        yield f"No virtual servers in {gateway.virtual_servers}: there is nothing to call."


def _told(gateway: GatewaySettings) -> Iterator[str]:
    """Content that leaves for a collector, and labels of metrics and parts of spans that there will be none of."""
    telemetry = gateway.telemetry
    if telemetry.otlp_endpoint is not None and telemetry.content == "redacted":
        yield "telemetry.content: redacted: what is asked and answered is in spans, without what pii and secrets find."
    if telemetry.otlp_endpoint is None:
        for name, written in (("content", telemetry.content != "none"), ("baggage", telemetry.baggage.attributes)):
            if written:
                yield f"telemetry.{name} is written for spans, and has no effect without `otlp_endpoint`."
    contract = gateway.metadata
    named = set() if contract is None else {*contract.keys, *(key for each in contract.stamp for key in each.set)}
    for label in gateway.telemetry.metric_labels:
        if label not in named:
            yield f"telemetry.metric_labels: `{label}` is not in `metadata.keys`: the label is always empty."


def _unconnectable(gateway: GatewaySettings) -> Iterator[str]:
    """Upstreams at which people connect accounts, where nobody could."""
    if gateway.anonymous_allowed or any(issuer.login is not None for issuer in gateway.identity.issuers):
        return
    for name, upstream in gateway.upstreams.items():
        if isinstance(upstream, HttpUpstream) and upstream.auth.needs_connection:
            yield f"upstream `{name}`: nobody can connect an account, because no issuer has `login`."
