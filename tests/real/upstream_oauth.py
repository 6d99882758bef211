"""An MCP server that is an OAuth resource server, on the official SDK: tokens of one issuer for itself, and no others.

    python -m tests.real.upstream_oauth --issuer URL [--scopes read] [--port 0] [--introspect]

JWTs are verified by the issuer's keys. With `--introspect`, opaque tokens are asked about, as the client of the
environment's INTROSPECTION_CLIENT and INTROSPECTION_SECRET. `close_ticket` needs the scope `admin` besides. What came
is under `/received` (`tests.real.received`).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

from tests.real.received import Received, bound, serve

ADMIN = "admin"


@dataclass(slots=True)
class Verifier:
    """Tokens of `issuer` whose audience is `resource`. A verified one is remembered while it is valid."""

    issuer: str
    resource: str
    introspection: tuple[str, str] | None = None
    _keys: KeySet | None = None
    _known: dict[str, AccessToken] = field(default_factory=dict)

    async def verify_token(self, token: str) -> AccessToken | None:
        """None for every token that is not for this server, of this issuer, valid now."""
        known = self._known.get(token)
        if known is None:
            claims = await (self._decoded(token) if token.count(".") == 2 else self._introspected(token))
            if claims is None or claims.get("iss") != self.issuer or self.resource not in _audience(claims):
                return None
            known = self._known[token] = AccessToken(
                token=token,
                client_id=str(claims.get("client_id", "")),
                scopes=str(claims.get("scope", "")).split(),
                expires_at=int(claims["exp"]),
                resource=self.resource,
                subject=str(claims["sub"]),
                claims=dict(claims),
            )
        return known if (known.expires_at or 0) > time.time() else None

    async def who(self, token: str) -> Mapping[str, Any]:
        """For the record of a call: whose the token is, for whom, by whom."""
        known = await self.verify_token(token)
        return {} if known is None else description(known)

    async def _decoded(self, token: str) -> Mapping[str, Any] | None:
        for fresh in (False, True):
            if self._keys is None or fresh:
                self._keys = await self._fetch_keys()
            try:
                decoded = jwt.decode(token, self._keys, algorithms=["RS256"])
                jwt.JWTClaimsRegistry(exp={"essential": True}, sub={"essential": True}).validate(decoded.claims)
            except (JoseError, ValueError):
                continue
            return decoded.claims
        return None

    async def _introspected(self, token: str) -> Mapping[str, Any] | None:
        if self.introspection is None:
            return None
        async with httpx2.AsyncClient() as http:
            answer = await http.post(
                f"{self.issuer}/token/introspection",
                data={"token": token},
                auth=httpx2.BasicAuth(*self.introspection),
            )
        claims: dict[str, Any] = answer.json()
        return {"iss": self.issuer, **claims} if claims.get("active") else None

    async def _fetch_keys(self) -> KeySet:
        async with httpx2.AsyncClient() as http:
            metadata = (await http.get(f"{self.issuer}/.well-known/openid-configuration")).json()
            return KeySet.import_key_set((await http.get(metadata["jwks_uri"])).json())


def description(token: AccessToken) -> dict[str, Any]:
    """A token without the token. `act` are the actors, the one who acted last first."""
    claims = token.claims or {}
    actors: list[str] = []
    act = claims.get("act")
    while isinstance(act, dict):
        actors.append(str(act["sub"]))
        act = act.get("act")
    return {
        "sub": token.subject,
        "client_id": token.client_id,
        "act": actors,
        "scopes": token.scopes,
        "aud": claims.get("aud"),
        "iss": claims.get("iss"),
    }


def make(verifier: Verifier, scopes: list[str]) -> MCPServer:
    """Tools that say as whom they were called."""
    server = MCPServer(
        "tickets",
        version="1.0.0",
        token_verifier=verifier,
        # Validated from text: an `AnyHttpUrl` of its own would end in a slash, and be another issuer.
        auth=AuthSettings.model_validate(
            {
                "issuer_url": verifier.issuer,
                "resource_server_url": verifier.resource,
                "required_scopes": scopes,
                "validate_token_resource": True,
            }
        ),
    )
    filed: list[str] = []

    def caller() -> dict[str, Any]:
        token = get_access_token()
        assert token is not None
        return {**description(token), "token": sha256(token.token.encode()).hexdigest()}

    @server.tool()
    async def whoami() -> dict[str, Any]:
        """Says as whom the caller is known here."""
        return caller()

    @server.tool()
    async def file_ticket(title: str) -> dict[str, Any]:
        """Files a ticket in the caller's name."""
        filed.append(title)
        return {"ticket": len(filed), "title": title, "reporter": caller()["sub"]}

    @server.tool()
    async def close_ticket(ticket: int) -> dict[str, Any]:
        """Closes a ticket; only for those who may."""
        return {"ticket": ticket, "closed_by": caller()["sub"]}

    return server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--scopes", default="read")
    parser.add_argument("--introspect", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    sock, port = bound(options.port)
    origin = f"http://127.0.0.1:{port}"
    client = (os.environ["INTROSPECTION_CLIENT"], os.environ["INTROSPECTION_SECRET"]) if options.introspect else None
    verifier = Verifier(options.issuer, f"{origin}/mcp", client)
    scopes = [scope for scope in options.scopes.split(",") if scope]
    app = make(verifier, scopes).streamable_http_app(json_response=True)
    scoped = {"close_ticket": (*scopes, ADMIN)}
    metadata = f"{origin}/.well-known/oauth-protected-resource/mcp"
    serve(Received(app, who=verifier.who, scoped=scoped, metadata=metadata), sock)


def _audience(claims: Mapping[str, Any]) -> list[str]:
    aud = claims.get("aud")
    return [aud] if isinstance(aud, str) else list(aud or ())


if __name__ == "__main__":
    main()
