"""What must fit together across sections and files. Pure, except for looking whether named files exist."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from mcp_gateway.core.errors import Problem
from mcp_gateway.settings.bindings import BoundArgument
from mcp_gateway.settings.documents import Document
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.governance import PolicySettings
from mcp_gateway.settings.nodes import Entries, Items, Loc, Scalar
from mcp_gateway.settings.problems import nearest
from mcp_gateway.settings.virtual_servers import VirtualServerSettings

_METADATA: Final = "metadata."


def check_together(
    gateway: Document[GatewaySettings], servers: Sequence[Document[VirtualServerSettings]]
) -> Iterator[Problem]:
    """Problems that no file has alone. Names are compared as written, so files with other faults are compared too."""
    if gateway.root is not None:
        yield from _unknown_upstreams(_upstream_names(gateway), servers)
    yield from _same_names(servers)
    yield from _impossible_metadata(gateway, servers)
    yield from _absent_files(gateway)


def _upstream_names(gateway: Document[GatewaySettings]) -> frozenset[str]:
    root = gateway.root
    if isinstance(root, Entries) and "upstreams" in root.entries:
        upstreams = root.entries["upstreams"][1]
        if isinstance(upstreams, Entries):
            return frozenset(upstreams.entries)
    return frozenset()


def _unknown_upstreams(known: frozenset[str], servers: Sequence[Document[VirtualServerSettings]]) -> Iterator[Problem]:
    for server in servers:
        sources = server.root.entries.get("sources") if isinstance(server.root, Entries) else None
        if sources is None or not isinstance(sources[1], Items):
            continue
        for index, source in enumerate(sources[1].items):
            named = source.entries.get("upstream") if isinstance(source, Entries) else None
            if named is None or not isinstance(named[1], Scalar) or not isinstance(named[1].value, str):
                continue
            if named[1].value not in known:
                hint = nearest(named[1].value, known) or "gateway.yaml names no upstreams"
                yield server.problem(("sources", index, "upstream"), f"unknown upstream `{named[1].value}`", hint)


def _same_names(servers: Sequence[Document[VirtualServerSettings]]) -> Iterator[Problem]:
    first: dict[str, Document[VirtualServerSettings]] = {}
    for server in servers:
        if server.model is None:
            continue
        other = first.setdefault(server.model.name, server)
        if other is not server:
            yield server.problem(
                ("name",), f"another virtual server is called `{server.model.name}`", f"see {other.path}"
            )


def _impossible_metadata(
    gateway: Document[GatewaySettings], servers: Sequence[Document[VirtualServerSettings]]
) -> Iterator[Problem]:
    """What reads a key that no request can have."""
    contract = None if gateway.model is None else gateway.model.metadata
    if contract is None:
        return
    for server in servers:
        for at, key in _metadata_read(server.model):
            if not contract.may_have(key):
                hint = nearest(key, contract.keys) or "add it to `metadata.keys` in gateway.yaml"
                yield server.problem(at, f"the metadata contract has no key `{key}` and rejects unknown ones", hint)


def _metadata_read(server: VirtualServerSettings | None) -> Iterator[tuple[Loc, str]]:
    """The keys of the metadata that a virtual server reads, and where."""
    if server is None:
        return
    for index, rule in enumerate(server.rate_limits):
        for place, per in enumerate(rule.per):
            if per.startswith(_METADATA):
                yield ("rate_limits", index, "per", place), per.removeprefix(_METADATA)
        for key in rule.when.metadata:
            yield ("rate_limits", index, "when", "metadata", key), key
    for index, source in enumerate(server.sources):
        for tool, changes in source.tools.items():
            for name, argument in changes.arguments.items():
                if isinstance(argument, BoundArgument) and argument.source.startswith(_METADATA):
                    at = ("sources", index, "tools", tool, "arguments", name, "from")
                    yield at, argument.source.removeprefix(_METADATA)


def _absent_files(gateway: Document[GatewaySettings]) -> Iterator[Problem]:
    settings = gateway.model
    if settings is None:
        return
    if gateway.has("virtual_servers") and not os.path.isdir(settings.virtual_servers):
        yield gateway.problem(("virtual_servers",), f"there is no folder {settings.virtual_servers}")
    if isinstance(settings.policies, PolicySettings) and not os.path.isdir(settings.policies.path):
        at = ("policies", "path") if gateway.has("policies", "path") else ("policies",)
        yield gateway.problem(at, f"there is no folder {settings.policies.path}")
    for name, path in (("guardrails", settings.guardrails), ("models", settings.models)):
        if path is not None and not os.path.isfile(path):
            yield gateway.problem((name,), f"there is no file {path}")
