"""The suite's `auth/*` scenarios: a gateway that needs credentials for the mock server, an agent, a person's browser.

Started by `client_driver` for scenarios whose name begins with `auth/`. The agent calls every tool twice over: first to
be told what has to be connected, then with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitRequestURLParams, ElicitResult

from tests.conformance.browser import connect
from tests.conformance.suite import HANDSHAKE, MODERN
from tests.conformance.systems import gateway

OLDEST = "2025-03-26"
CODE: Mapping[str, Any] = {"type": "authorization_code"}
_DOCUMENT = "https://conformance-test.local/client-metadata.json"
_CONNECTION_REQUIRED = 40100
_ROUNDS = 4

_BOTH = (
    "metadata-default",
    "metadata-var1",
    "metadata-var2",
    "metadata-var3",
    "basic-cimd",
    "scope-from-www-authenticate",
    "scope-from-scopes-supported",
    "scope-omitted-when-undefined",
    "scope-step-up",
    "scope-retry-limit",
    "token-endpoint-auth-basic",
    "token-endpoint-auth-post",
    "token-endpoint-auth-none",
    "pre-registration",
)
_MODERN_ONLY = (
    "resource-mismatch",
    "offline-access-scope",
    "offline-access-not-supported",
    "authorization-server-migration",
    "iss-supported",
    "iss-not-advertised",
    "iss-supported-missing",
    "iss-wrong-issuer",
    "iss-unexpected",
    "iss-normalized",
    "metadata-issuer-mismatch",
    "client-credentials-basic",
    "client-credentials-jwt",
)
_OLDEST_ONLY = ("2025-03-26-oauth-metadata-backcompat", "2025-03-26-oauth-endpoint-fallback")

SCENARIOS: tuple[tuple[str, str], ...] = (
    *((MODERN, f"auth/{name}") for name in (*_BOTH, *_MODERN_ONLY)),
    *((HANDSHAKE, f"auth/{name}") for name in _BOTH),
    *((OLDEST, f"auth/{name}") for name in _OLDEST_ONLY),
)
"""Every `auth/*` scenario that concerns the gateway as a client, by revision: without DPoP and workload identity."""


def auth_of(scenario: str, url: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """`upstreams.X.auth` for a scenario. Secrets are put into the environment, where the gateway reads them."""
    os.environ["CONFORMANCE_SECRET"] = str(context.get("client_secret", ""))
    os.environ["CONFORMANCE_KEY"] = str(context.get("private_key_pem", ""))
    match scenario.removeprefix("auth/"):
        case "basic-cimd":
            return {**CODE, "client_id": _DOCUMENT, "registration": "auto"}
        case "pre-registration":
            return {**CODE, "client_id": context["client_id"], "client_secret": "env:CONFORMANCE_SECRET"}
        case "client-credentials-basic":
            return {**_machine(url, context), "client_secret": "env:CONFORMANCE_SECRET"}
        case "client-credentials-jwt":
            return {**_machine(url, context), "private_key": "env:CONFORMANCE_KEY"}
    return dict(CODE)


def _machine(url: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """An administrator who configures a machine's client looks up the issuer first."""
    parts = urlsplit(url)
    found = httpx2.get(f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}").json()
    return {
        "type": "client_credentials",
        "issuer": found["authorization_servers"][0],
        "client_id": context["client_id"],
    }


async def elicit(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """A link is opened, and what is asked there is allowed; a person whom the page shows an error gives up."""
    connected = isinstance(params, ElicitRequestURLParams) and await connect(params.url)
    return ElicitResult(action="accept" if connected else "decline", content=None)


async def call(client: Client, name: str) -> None:
    """Call a tool; a link in the answer is opened and the call made again, a few times at most."""
    for _ in range(_ROUNDS):
        try:
            await client.call_tool(name, {})
            return
        except MCPError as error:
            data = error.error.data
            if error.error.code != _CONNECTION_REQUIRED or not isinstance(data, dict) or not data.get("link"):
                return
            if not await connect(data["link"]):
                return


async def use(url: str) -> None:
    """What an agent does: list, connect what has to be connected, list again, call everything."""
    async with Client(url, mode="auto", elicitation_callback=elicit) as client:
        for _ in range(2):
            for tool in (await client.list_tools()).tools:
                await call(client, tool.name)


async def drive(url: str, revision: str, scenario: str) -> None:
    """Run a gateway in front of the mock server at `url`, and use it."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    protocol = "auto" if revision == MODERN else revision
    extra = {"auth": auth_of(scenario, url, context), "egress": {"allow": ["localhost", "127.0.0.1", "::1"]}}
    with gateway(url, protocol=protocol, name="mock", extra=extra) as through:
        await use(through)
