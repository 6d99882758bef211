"""A certified OpenID provider (npm `oidc-provider`) on loopback, as identity provider and as authorization server.

    with Idp("corp", clients=[Client("agent")]) as idp:
        signed_in = await idp.sign_in("alice", "agent", resource="http://127.0.0.1:8080/servers/desk/mcp")

It offers discovery, PKCE (required), registration, introspection, revocation, the device flow, client credentials,
resource indicators, token exchange with actors, ID-JAG, and rotates refresh tokens: one that comes twice revokes its
whole family. People sign in by typing their name. A second `Idp` is a foreign issuer.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal

import httpx2
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.conformance import node
from tests.real.idp.signing_in import REDIRECT, SignedIn, by_code, by_device, post

PATIENCE: Final = 30.0
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
PEOPLE: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "alice": MappingProxyType({"email": "alice@example.com", "groups": ["finance", "staff"]}),
        "bob": MappingProxyType({"email": "bob@example.com", "groups": ["staff"]}),
        "mallory": MappingProxyType({"email": "mallory@example.com", "groups": []}),
    }
)
_SCRIPT: Final = Path(__file__).parent / "provider.mjs"


@dataclass(frozen=True, slots=True)
class Client:
    """A client that is registered beforehand. Without a secret it is a public one, unless it has `keys` (JWKs)."""

    id: str
    secret: str | None = None
    redirect_uris: tuple[str, ...] = (REDIRECT,)
    grants: tuple[str, ...] = ("authorization_code", "refresh_token", DEVICE)
    method: str = ""
    name: str = ""
    keys: tuple[Mapping[str, Any], ...] = ()

    def metadata(self) -> dict[str, Any]:
        """As RFC 7591 writes it."""
        kind = "private_key_jwt" if self.keys else "client_secret_basic" if self.secret else "none"
        found = {
            "client_id": self.id,
            "client_secret": self.secret,
            "client_name": self.name or self.id,
            "redirect_uris": list(self.redirect_uris),
            "grant_types": list(self.grants),
            "response_types": ["code"] if "authorization_code" in self.grants else [],
            "token_endpoint_auth_method": self.method or kind,
            "jwks": {"keys": [dict(key) for key in self.keys]} if self.keys else None,
        }
        return {name: value for name, value in found.items() if value is not None}


def service(id: str, secret: str, *grants: str) -> Client:
    """A client without people: client credentials and whatever `grants` it may use besides."""
    return Client(id, secret, redirect_uris=(), grants=("client_credentials", *grants))


@dataclass(frozen=True, slots=True)
class Resource:
    """What a resource offers. Who asks for no scope gets `base`, by default all. `opaque`: tokens are no JWTs."""

    scopes: tuple[str, ...]
    base: tuple[str, ...] | None = None
    opaque: bool = False
    seconds: int | None = None

    def plain(self) -> dict[str, Any]:
        found = {"scopes": self.scopes, "base": self.base, "opaque": self.opaque, "seconds": self.seconds}
        return {name: value for name, value in found.items() if value is not None}


ANY: Final = Resource(("use", "read", "write", "admin"), base=("use", "read"))


@dataclass(slots=True)
class Idp:
    """A context manager; or `start` and `stop`, which keep the port, and `resources["*"]` stands for all others.

    `consent` says whether a person is asked after signing in. Times are seconds. `trusts` are the issuers whose
    ID-JAGs are taken. The process forgets all grants when it is stopped; `accept(False)` makes it unreachable only.
    """

    name: str = "idp"
    clients: Sequence[Client] = ()
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: PEOPLE)
    resources: Mapping[str, Resource] = field(default_factory=lambda: {"*": ANY})
    consent: Literal["auto", "ask"] = "auto"
    access_seconds: int = 3600
    refresh_seconds: int = 86_400
    registration: bool = True
    metadata_documents: bool = False
    advertised_scopes: Sequence[str] = ()
    trusts: Sequence[str] = ()
    port: int = 0
    _keys: list[RSAKey] = field(default_factory=lambda: [_key()])
    _cookie_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _process: subprocess.Popen[str] | None = None
    _admin: str = ""

    def __enter__(self) -> Idp:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def jwks(self) -> dict[str, Any]:
        """The private keys, the one that signs first: for tests that make tokens of their own."""
        return {"keys": [key.as_dict(private=True, alg="RS256", use="sig") for key in self._keys]}

    def start(self) -> None:
        """Returns once it listens."""
        process = self._process = subprocess.Popen(
            [node.node(), str(_SCRIPT)],
            env=node.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        with process.stdin as configuration:
            configuration.write(json.dumps(self._configuration()))
        line = process.stdout.readline()
        assert line, "the provider ended before it listened"
        announced = json.loads(line)
        self.port = announced["port"]
        self._admin = f"http://127.0.0.1:{announced['admin']}"

    def stop(self) -> None:
        """Ends the process; fine if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)
            assert process.stdout is not None
            process.stdout.close()

    async def sign_in(
        self, person: str, client: str, *, resource: str = "", scopes: Sequence[str] = (), device: bool = False
    ) -> SignedIn:
        """What `client` gets once `person` has signed in: by the authorization code flow, or by the device flow."""
        known = next(one for one in self.clients if one.id == client)
        by = by_device if device else by_code
        return await by(self.issuer, person, known.id, known.secret, resource=resource, scopes=scopes)

    def mint(self, person: str, client: str, resource: str, scopes: Sequence[str] = (), **claims: object) -> str:
        """A token as the provider makes them, without asking it: for many of them, and for when it is unreachable.

        `claims` outrank what would stand there; a claim that is None is left out.
        """
        now = int(time.time())
        body = {
            "iss": self.issuer,
            "sub": person,
            "aud": resource,
            "client_id": client,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + self.access_seconds,
            "jti": secrets.token_urlsafe(16),
            **self.people.get(person, {}),
            **claims,
        }
        key = self._keys[0]
        header = {"alg": "RS256", "typ": "at+jwt", "kid": str(key.kid)}
        return jwt.encode(header, {name: value for name, value in body.items() if value is not None}, key)

    async def refresh(self, client: str, refresh_token: str) -> dict[str, Any]:
        """The answer of the token endpoint, error or not."""
        return await self.token(client, grant_type="refresh_token", refresh_token=refresh_token)

    async def token(self, client: str, **parameters: str) -> dict[str, Any]:
        """The answer of the token endpoint to any request, with the client's secret if it has one."""
        known = next(one for one in self.clients if one.id == client)
        answer: dict[str, Any] = (await post(f"{self.issuer}/token", known.id, known.secret, parameters)).json()
        return answer

    def journal(self, path: str = "", **fields: object) -> list[dict[str, Any]]:
        """Requests so far, in the order in which they were answered: all, or those to `path` with these `fields`.

        Tokens and codes stand there as their SHA-256 in hex: `refresh_token`, `code`, `subject_token`,
        `assertion`, `token` as sent, `issued_access_token` and `issued_refresh_token` as given.
        """
        entries: list[dict[str, Any]] = self._ask("GET", "/journal", None)
        return [
            entry
            for entry in entries
            if path in ("", entry["path"]) and all(entry.get(name) == value for name, value in fields.items())
        ]

    def redemptions(self) -> Counter[str]:
        """How often each refresh token, by its SHA-256, came to the token endpoint and was not put off (5xx)."""
        sent = self.journal("/token", grant_type="refresh_token")
        return Counter(entry["refresh_token"] for entry in sent if entry["status"] < 500)

    def secrets(self) -> dict[str, list[str]]:
        """All tokens, codes, verifiers, states and client secrets that came or were given, in the clear, by kind."""
        found: dict[str, list[str]] = self._ask("GET", "/secrets", None)
        return found

    def hold(self, on: bool = True) -> None:
        """Let the token endpoint do its work but keep its answers back until this is called with False."""
        self._ask("PUT", "/switches", {"hold": on})

    def refuse(self, status: int = 503) -> None:
        """Let the token endpoint answer this status and do nothing; 0 ends it."""
        self._ask("PUT", "/switches", {"status": status})

    def accept(self, on: bool) -> None:
        """Whether it can be reached. What it remembers stays."""
        self._ask("PUT", "/switches", {"accepting": on})

    def reroute(self, origin: str, to: str) -> None:
        """Fetch clients' metadata documents of `origin` (https) at the address `to`."""
        self._ask("PUT", "/switches", {"reroute": {origin: to}})

    def rotate(self, *, keep: bool = True) -> str:
        """Sign with a new key from now on; its key id. The old ones stay in the key set if `keep`."""
        self._keys.insert(0, _key())
        if not keep:
            del self._keys[1:]
        self._ask("PUT", "/keys", self.jwks)
        return str(self._keys[0].kid)

    def _ask(self, method: str, path: str, body: object) -> Any:
        with httpx2.Client(timeout=PATIENCE) as http:
            return http.request(method, f"{self._admin}{path}", json=body).raise_for_status().json()

    def _configuration(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "port": self.port,
            "jwks": self.jwks,
            "cookie_key": self._cookie_key,
            "clients": [client.metadata() for client in self.clients],
            "people": {login: dict(claims) for login, claims in self.people.items()},
            "resources": {name: resource.plain() for name, resource in self.resources.items()},
            "consent": self.consent,
            "access_seconds": self.access_seconds,
            "refresh_seconds": self.refresh_seconds,
            "registration": self.registration,
            "metadata_documents": self.metadata_documents,
            "advertised_scopes": ["openid", "offline_access", *self.advertised_scopes],
            "trusts": list(self.trusts),
        }


def digest(token: str) -> str:
    """As tokens stand in the journal."""
    return sha256(token.encode()).hexdigest()


def require() -> None:
    """For tests: fails in CI, skips elsewhere, when the npm packages are not installed."""
    node.require()


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "alg": "RS256", "use": "sig"}, private=True)
