"""An authorization server for the bench: one key, one person's token, and an exchange for the upstream's.

`python -m tests.bench.issuer` prints one line `{"port": N}`. `GET /mint` gives alice's token; it is nothing that a real
one has. What is measured never comes here: everything is warm by then.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, cast
from urllib.parse import parse_qs

import uvloop
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.bench.sites import AUDIENCE, GATEWAYS_OWN, PERSONS
from tests.bench.wire import HttpMessage, Reader

_LIFETIME: Final = 3600
_ANSWER: Final = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


class Issuer:
    """Its key and its answers."""

    def __init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
        self.url = ""

    def answer(self, message: HttpMessage) -> bytes:
        """The whole response to a request."""
        method, path, _ = message.head.split(b" ", 2)
        status, answer = 404, dict[str, Any]()
        if (method, path) == (b"GET", b"/jwks"):
            status, answer = 200, {"keys": [self._key.as_dict(private=False)]}
        elif (method, path) == (b"GET", b"/mint"):
            status, answer = 200, {"token": self._mint()}
        elif (method, path) == (b"POST", b"/token"):
            status, answer = 200, self._exchanged(parse_qs(message.body.decode()))
        body = json.dumps(answer).encode()
        return _ANSWER % (status, len(body), body)

    def _mint(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "alice",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + _LIFETIME,
            "client_id": "bench",
            "scope": "bench.use",
            "email": "alice@example.com",
            "groups": [f"team-{number}" for number in range(10)],
        }
        return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": "bench"}, claims, self._key)

    def _exchanged(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """The upstream's token: of the person whose token is exchanged, or of the gateway where there is none."""
        subject = form.get("subject_token")
        mark = "" if subject is None else sha256(subject[0].encode()).hexdigest()
        return {
            "access_token": (GATEWAYS_OWN if subject is None else PERSONS) + mark,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": _LIFETIME,
        }


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._reader = Reader()
        self._write: Callable[[bytes], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast("asyncio.WriteTransport", transport).write

    def data_received(self, data: bytes) -> None:
        self._write(b"".join([self._issuer.answer(message) for message in self._reader.feed(data)]))


async def main() -> None:
    issuer = Issuer()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(issuer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    issuer.url = f"http://127.0.0.1:{port}"
    print(json.dumps({"port": port}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
