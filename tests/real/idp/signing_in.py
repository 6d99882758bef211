"""Signing a person in without a browser: the authorization code flow and the device flow over plain HTTP."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from tests.real.walker import Walker

REDIRECT: Final = "http://127.0.0.1/signed-in"
"""Where the code goes. Nobody listens there: the walk ends before."""

_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The answer of the token endpoint. `code` and `verifier` are empty after the device flow."""

    access_token: str
    refresh_token: str
    id_token: str
    scopes: tuple[str, ...]
    seconds: int
    code: str = ""
    verifier: str = ""


async def by_code(
    issuer: str, person: str, client: str, secret: str | None, *, resource: str, scopes: Sequence[str]
) -> SignedIn:
    """The authorization code flow with PKCE; `iss` and `state` of the answer are checked."""
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": REDIRECT,
        "state": state,
        "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **_wanted(resource, scopes),
    }
    async with Walker(person) as walker:
        page = await walker.walk(f"{issuer}/auth?{urlencode(asked)}", until=lambda url: url.startswith(REDIRECT))
    assert page.location, page.text
    came = {name: values[0] for name, values in parse_qs(urlsplit(page.location).query).items()}
    assert "code" in came, came
    assert (came["iss"], came["state"]) == (issuer, state)
    given = {"grant_type": "authorization_code", "code": came["code"], "redirect_uri": REDIRECT}
    answer = await _redeem(issuer, client, secret, {**given, "code_verifier": verifier})
    return _signed_in(answer, came["code"], verifier)


async def by_device(
    issuer: str, person: str, client: str, secret: str | None, *, resource: str, scopes: Sequence[str]
) -> SignedIn:
    """The device flow (RFC 8628): the person types the code on another device."""
    begun = await _redeem(issuer, client, secret, _wanted(resource, scopes), "/device/auth")
    async with Walker(person) as walker:
        entry = (await walker.open(begun["verification_uri"])).forms[0]
        page = await walker.submit(entry, user_code=begun["user_code"])
        page = await walker.submit(page.forms[0])
        while page.forms:
            page = await walker.submit(page.forms[0])
    return _signed_in(
        await _redeem(issuer, client, secret, {"grant_type": _DEVICE, "device_code": begun["device_code"]})
    )


def _wanted(resource: str, scopes: Sequence[str]) -> dict[str, str]:
    found = {"resource": resource, "scope": " ".join(scopes)}
    return {name: value for name, value in found.items() if value}


async def post(url: str, client: str, secret: str | None, data: Mapping[str, str]) -> httpx2.Response:
    """A form sent as `client`: by client_secret_basic if it has a secret, else as a public client."""
    async with httpx2.AsyncClient(timeout=30.0) as http:
        if secret is None:
            return await http.post(url, data={"client_id": client, **data})
        return await http.post(url, data=dict(data), auth=httpx2.BasicAuth(client, secret))


async def _redeem(
    issuer: str, client: str, secret: str | None, data: dict[str, str], path: str = "/token"
) -> dict[str, Any]:
    answer = await post(f"{issuer}{path}", client, secret, data)
    found: dict[str, Any] = answer.json()
    assert answer.status_code == 200, found
    return found


def _signed_in(answer: dict[str, Any], code: str = "", verifier: str = "") -> SignedIn:
    return SignedIn(
        access_token=answer["access_token"],
        refresh_token=answer.get("refresh_token", ""),
        id_token=answer.get("id_token", ""),
        scopes=tuple(answer.get("scope", "").split()),
        seconds=answer["expires_in"],
        code=code,
        verifier=verifier,
    )
