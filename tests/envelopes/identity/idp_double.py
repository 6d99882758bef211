"""An OpenID provider that does what it is told, over real sockets: people are signed in by asking it for a code."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.core.egress_double import Peer, serve

CLIENT = "gateway-login"


@cache
def _key() -> RSAKey:
    """One for all tests: making it takes longer than most of them."""
    return RSAKey.generate_key(2048, {"kid": "one"})


def half_hash(token: str) -> str:
    """``at_hash`` of a token under RS256 (OpenID Connect Core §3.1.3.6)."""
    return base64.urlsafe_b64encode(sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


@dataclass
class Provider:
    """Strict about what it gets; `claims`, `header`, `metadata` and `answer` change what it gives."""

    issuer: str = ""
    key: RSAKey = field(default_factory=_key)
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    answer: tuple[int, dict[str, Any]] | None = None
    down: bool = False
    seen: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def consent(self, url: str, subject: str) -> dict[str, str]:
        """What comes back to the redirect URI when `subject` signs in at the authorization request `url`."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(f"{self.issuer}/authorize?")
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256" and "openid" in asked["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = {**asked, "sub": subject}
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def id_token(self, asked: Mapping[str, str], access: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": asked["sub"],
            "aud": CLIENT,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            "at_hash": half_hash(access),
            "email": f"{asked['sub']}@example.com",
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "one", **self.header}, kept, self.key, ["RS256", "PS256"])

    async def script(self, peer: Peer) -> None:
        while request := await peer.request():
            head, _, body = request.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            path = lines[0].split(" ")[1]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            form = dict(parse_qsl(body.decode()))
            self.seen.append((path, headers, form))
            if self.down:
                return
            status, document = self.serve(path, headers, form)
            raw = json.dumps(document).encode()
            peer.send(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(raw))
            )
            peer.send(raw)

    def serve(self, path: str, headers: Mapping[str, str], form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "authorization_response_iss_parameter_supported": True,
                **self.metadata,
            }
        if path == "/jwks":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if path == "/token" and self.answer is not None:
            return self.answer
        if path == "/token":
            return self.redeem(headers, form)
        return 404, {}

    def redeem(self, headers: Mapping[str, str], form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        access = f"access-{asked['sub']}"
        return 200, {"access_token": access, "token_type": "Bearer", "id_token": self.id_token(asked, access)}


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A provider on a port of its own."""
    double = Provider()
    async with serve(double.script) as server:
        double.issuer = str(server.origin)
        yield double
