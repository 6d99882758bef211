"""What this version does not enforce yet. Pure.

A section that parses but has no effect would be believed. Where believing it is unsafe it is an error;
elsewhere a notice. Each rule goes when the stage that it speaks of exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mcp_gateway.core.errors import Problem
from mcp_gateway.settings.addresses import is_loopback
from mcp_gateway.settings.documents import Document
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.governance import PolicySettings
from mcp_gateway.settings.upstream_auth import HeaderAuth, NoAuth
from mcp_gateway.settings.upstreams import HttpUpstream
from mcp_gateway.settings.virtual_servers import VirtualServerSettings

NOT_HERE: Final = "not available in this version"
_WHY: Final = "remove it: it would not be enforced"


def refused(
    gateway: Document[GatewaySettings], servers: Sequence[Document[VirtualServerSettings]]
) -> Iterator[Problem]:
    """Problems with everything that would be unsafe to accept and not enforce."""
    settings = gateway.model
    if settings is not None:
        yield from _refused_sections(gateway, settings)
        yield from _refused_credentials(gateway, settings)
        yield from _refused_listeners(gateway, settings)
    for server in servers:
        for index, rule in enumerate(server.model.rate_limits if server.model is not None else ()):
            if rule.mode == "enforce":
                yield server.problem(
                    ("rate_limits", index), f"rate limits are {NOT_HERE}", "use `mode: audit`, or remove it"
                )


def _refused_sections(gateway: Document[GatewaySettings], settings: GatewaySettings) -> Iterator[Problem]:
    if isinstance(settings.policies, PolicySettings) and settings.policies.mode == "enforce":
        yield gateway.problem(("policies",), f"policies are {NOT_HERE}", _WHY)
    if settings.guardrails is not None:
        yield gateway.problem(("guardrails",), f"guardrails are {NOT_HERE}", _WHY)
    if settings.metadata is not None and settings.metadata.mode == "enforce":
        yield gateway.problem(("metadata",), f"the metadata contract is {NOT_HERE}", _WHY)
    if settings.identity.issuers:
        yield gateway.problem(("identity", "issuers"), f"issuers are {NOT_HERE}", "callers on loopback are anonymous")


def _refused_credentials(gateway: Document[GatewaySettings], settings: GatewaySettings) -> Iterator[Problem]:
    for name, upstream in settings.upstreams.items():
        auth = upstream.auth if isinstance(upstream, HttpUpstream) else NoAuth(type="none")
        if isinstance(auth, HeaderAuth) and auth.level == "per_user":
            yield gateway.problem(
                ("upstreams", name, "auth", "level"), f"headers per user are {NOT_HERE}", "use `level: global`"
            )
        elif not isinstance(auth, (NoAuth, HeaderAuth)):
            yield gateway.problem(
                ("upstreams", name, "auth", "type"), f"`type: {auth.type}` is {NOT_HERE}", "available: none, header"
            )


def _refused_listeners(gateway: Document[GatewaySettings], settings: GatewaySettings) -> Iterator[Problem]:
    if not settings.server.on_loopback and not settings.identity.issuers:
        yield gateway.problem(
            ("server", "host"),
            f"serving another interface than loopback is {NOT_HERE}: callers cannot be told apart",
            "listen on 127.0.0.1",
        )
    if not is_loopback(settings.server.admin.host):
        yield gateway.problem(
            ("server", "admin", "host"),
            f"a control plane on another interface than loopback is {NOT_HERE}: it has no login",
            "listen on 127.0.0.1",
        )
    if settings.identity.anonymous == "never":
        yield gateway.problem(
            ("identity", "anonymous"),
            f"credentials of callers are {NOT_HERE}: nobody could call",
            "use `anonymous: loopback`",
        )


def notices(
    gateway: GatewaySettings, present: Document[GatewaySettings], servers: Sequence[VirtualServerSettings]
) -> Iterator[str]:
    """One sentence for everything that is written and has no effect, and for what is silently absent."""
    if gateway.policies is None:
        yield "No policies: every caller may use every tool of every virtual server."
    if gateway.policies == "none":
        yield "policies: none: every caller may use every tool of every virtual server."
    for name, written in (
        ("policies", isinstance(gateway.policies, PolicySettings)),
        ("metadata", gateway.metadata is not None),
        ("models", gateway.models is not None),
        ("egress", present.has("egress")),
        ("telemetry", present.has("telemetry")),
        ("state.database", present.has("state", "database")),
        ("state.redis", gateway.state.redis is not None),
        (
            "identity.virtual_accounts",
            present.has("identity", "virtual_accounts") and gateway.identity.virtual_accounts,
        ),
    ):
        if written:
            yield f"`{name}` has no effect: {NOT_HERE}."
    for server in servers:
        if server.rate_limits:
            yield f"virtual server `{server.name}`: `rate_limits` in audit mode have no effect: {NOT_HERE}."
        if any(tool.cost for source in server.sources for tool in source.tools.values()):
            yield f"virtual server `{server.name}`: `cost` has no effect: {NOT_HERE}."
        for source in server.sources:
            if not gateway.upstreams[source.upstream].enabled:
                yield f"virtual server `{server.name}`: upstream `{source.upstream}` is disabled."
    if not servers:
        yield f"No virtual servers in {gateway.virtual_servers}: there is nothing to call."
