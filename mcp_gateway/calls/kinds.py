"""The kinds of invocation: one request of a client, resolved to what one upstream will be asked.

The catalog compiles the bindings, methods make invocations of them, the upstream room carries them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from mcp_gateway.core.call import Call, Json
from mcp_gateway.core.principal import Principal


class Kind(StrEnum):
    """What is invoked, by the MCP method that does it."""

    TOOL = "tools/call"
    PROMPT = "prompts/get"
    RESOURCE = "resources/read"
    COMPLETION = "completion/complete"


HeaderMap = Mapping[tuple[str, ...], str]
"""Property path in the arguments → ``x-mcp-header`` token, as in SDK ``x_mcp_header_map``."""


def _no_headers() -> HeaderMap:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ToolBinding:
    """One exposed tool and the way back to its upstream.

    `check` returns None for arguments that fit the exposed input schema, else (JSON pointer, message).
    `bind` turns the agent's arguments into the upstream's: names mapped back, fixed values and those bound to the
    caller's identity or the request's metadata set, defaults filled; None where the arguments go on as they came.
    `headers` are the exposed schema's ``x-mcp-header`` annotations, `upstream_headers` the upstream's.
    `scopes` are all that a caller's token needs for a call, those of the server included; empty where the tool
    needs no more than every request to the server does.
    `tags` are the admin's words for policies. `cost` is what a call costs, in nanodollars.
    With `connects` it is the gateway's own tool that stands for lists which only a person's account can read.
    """

    name: str
    upstream: str
    upstream_name: str
    definition: Json
    check: Callable[[Json], tuple[str, str] | None]
    bind: Callable[[Json, Principal, Mapping[str, str]], Json] | None = None
    headers: HeaderMap = field(default_factory=_no_headers)
    upstream_headers: HeaderMap = field(default_factory=_no_headers)
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True
    cost: int = 0
    scopes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    connects: bool = False


@dataclass(frozen=True, slots=True)
class PromptBinding:
    """One exposed prompt."""

    name: str
    upstream: str
    upstream_name: str
    definition: Json


@dataclass(frozen=True, slots=True)
class ResourceBinding:
    """One exposed resource. URIs are never rewritten."""

    uri: str
    upstream: str
    definition: Json


@dataclass(frozen=True, slots=True)
class TemplateBinding:
    """One exposed resource template; `matches` tells whether a URI is an expansion of it."""

    template: str
    upstream: str
    definition: Json
    matches: Callable[[str], bool]


class Invocation(NamedTuple):
    """What one upstream will be asked for one call.

    `target` is the upstream's own name of the tool or prompt, or the resource URI: the identity that
    policy, audit and limits use. `params` is the upstream's params object without `_meta`;
    `meta` are the entries of the client's `_meta` that belong to the caller, not to the hop
    (``traceparent``, vendor keys), never protocol or progress keys.
    """

    call: Call
    kind: Kind
    upstream: str
    target: str
    params: Json
    meta: Json
    tool: ToolBinding | None = None


Result = dict[str, Any]
"""A JSON-RPC result object in the 2026-07-28 shape (`resultType` present); unknown fields as they came."""
