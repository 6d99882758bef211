"""An issuer of tokens right and wrong: real keys, real sockets. It counts what it is asked."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.settings.identity import IssuerSettings
from tests.core.egress_double import Peer, serve

DESK = ProtectedResource.of("http://gw.test", "/servers/desk/mcp", name="desk", scopes=(), supported=("desk.more",))
NOW = 1_800_000_000.0


@cache
def rsa_key(kid: str, bits: int = 2048) -> RSAKey:
    """Made once for all tests: making one takes long."""
    return RSAKey.generate_key(bits, {"kid": kid})


def public(key: Key, **members: object) -> dict[str, Any]:
    """The key as it stands in a key set."""
    return {**key.as_dict(private=False), **members}


def part(value: object) -> str:
    """One base64url part of a token; bytes as they are."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(claims: object, key: Key, header: Mapping[str, Any]) -> str:
    """A token with exactly these claims (bytes as they are) and this header."""
    if isinstance(key, OctKey) or header["alg"] == "none":
        raise ValueError("these are put together by hand")
    given = f"{part(dict(header))}.{part(claims)}"
    signature = jws.JWSRegistry.algorithms[header["alg"]].sign(given.encode(), key)
    return f"{given}.{part(signature)}"


class Clock:
    """Time that a test moves. Wall and monotonic go together."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> float:
        return NOW + self.passed

    def monotonic(self) -> float:
        return 1000.0 + self.passed


class IssuerDouble:
    """What one issuer publishes and how it answers; change it at will."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key: Key = rsa_key("k1")
        self.keys: list[dict[str, Any]] = [public(self.key, use="sig", alg="RS256")]
        self.metadata: dict[str, Any] = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "introspection_endpoint": f"{issuer}/introspect",
        }
        self.metadata_path = "/.well-known/openid-configuration"
        self.down = False
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: Counter[str] = Counter()
        self.clients: list[str] = []
        self.raw: dict[str, bytes] = {}

    def claims(self, **changes: object) -> dict[str, Any]:
        """Those of a good access token for the desk; None leaves one out."""
        base: dict[str, object] = {
            "iss": self.issuer,
            "sub": "alice",
            "aud": DESK.uri,
            "exp": NOW + 300,
            "iat": NOW,
            "scope": "desk.use",
            "client_id": "agent-1",
        }
        return {name: value for name, value in {**base, **changes}.items() if value is not None}

    def token(self, *, key: Key | None = None, header: Mapping[str, Any] | None = None, **changes: object) -> str:
        """A token by `key` (default the current one) with changed claims and header; None leaves one out."""
        key = key or self.key
        base: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
        return signed(self.claims(**changes), key, {n: v for n, v in base.items() if v is not None})

    def rotate(self, kid: str) -> None:
        """Another key, and only that one."""
        self.key = rsa_key(kid)
        self.keys = [public(self.key, use="sig", alg="RS256")]

    def settings(self, **changes: object) -> IssuerSettings:
        return IssuerSettings.model_validate({"name": "corp", "issuer": self.issuer, **changes})

    async def __call__(self, peer: Peer) -> None:
        while request := await peer.request():
            head, _, body = request.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.asked[path] += 1
            if self.down:
                peer.reset()
                return
            status, answer = self._answer(path, head, body)
            peer.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(answer), answer))

    def _answer(self, path: str, head: bytes, body: bytes) -> tuple[int, bytes]:
        if path in self.raw:
            return 200, self.raw[path]
        if path == self.metadata_path:
            return 200, json.dumps(self.metadata).encode()
        if path == "/jwks":
            return 200, json.dumps({"keys": self.keys}).encode()
        if path == "/introspect":
            self.clients += [
                line.decode() for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")
            ]
            token = parse_qs(body.decode())["token"][0]
            return 200, json.dumps(self.answers.get(token, {"active": False})).encode()
        return 404, b"{}"


@asynccontextmanager
async def issuer_double() -> AsyncIterator[tuple[IssuerDouble, Fetcher]]:
    """A running issuer, and what fetches from it."""
    made: list[IssuerDouble] = []

    async def script(peer: Peer) -> None:
        await made[0](peer)

    async with serve(script) as server:
        made.append(IssuerDouble(str(server.origin)))
        fetcher = Fetcher()
        try:
            yield made[0], fetcher
        finally:
            await fetcher.close()


def request(*credentials: str, query: str = "", client: tuple[str, int] = ("127.0.0.1", 5)) -> dict[str, Any]:
    """An ASGI scope with these Authorization headers."""
    return {
        "type": "http",
        "headers": [(b"host", b"gw.test"), *((b"authorization", one.encode("utf-8")) for one in credentials)],
        "query_string": query.encode(),
        "client": client,
    }


def bearer_of(tokens: Iterable[str]) -> dict[str, Any]:
    """A scope with one Bearer header for each token."""
    return request(*(f"Bearer {token}" for token in tokens))


def curve_keys() -> dict[str, Key]:
    """A key for each algorithm that is not RSA."""
    return {
        "ES256": ECKey.generate_key("P-256", {"kid": "es256"}),
        "ES384": ECKey.generate_key("P-384", {"kid": "es384"}),
        "ES512": ECKey.generate_key("P-521", {"kid": "es512"}),
        "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "eddsa"}),
        "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed25519"}),
    }
