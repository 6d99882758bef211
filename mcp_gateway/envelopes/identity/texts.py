"""Grants and registrations as the texts that get sealed, and back. Pure.

Everything that decides where a token may be sent is inside of the seal: whoever can write to the database can
neither read it nor point it elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

import orjson

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Grant, Tokens


def grant_text(grant: Grant) -> bytes:
    """What of a grant is sealed: all but its key, status, version and times. The seal is bound to all but the times."""
    tokens, client = grant.tokens, grant.client
    return orjson.dumps(
        {
            "kind": grant.kind,
            "access_token": _revealed(tokens.access_token),
            "refresh_token": _revealed(tokens.refresh_token),
            "expires_at": tokens.expires_at,
            "scopes": tokens.scopes,
            "headers": {name: value.reveal() for name, value in tokens.headers.items()},
            "issuer": grant.issuer,
            "resource": grant.resource,
            "token_url": grant.token_url,
            "revocation_url": grant.revocation_url,
            "client": None if client is None else _client(client),
            "asked": grant.asked,
            "agent": grant.agent,
        }
    )


def read_grant(text: bytes, row: Grant) -> Grant:
    """`row`, which has what is stored in the clear, completed by its text."""
    held: dict[str, Any] = orjson.loads(text)
    client = held["client"]
    return replace(
        row,
        kind=held["kind"],
        tokens=Tokens(
            access_token=_secret(held["access_token"]),
            refresh_token=_secret(held["refresh_token"]),
            expires_at=held["expires_at"],
            scopes=tuple(held["scopes"]),
            headers=_headers(held["headers"]),
        ),
        issuer=held["issuer"],
        resource=held["resource"],
        token_url=held["token_url"],
        revocation_url=held["revocation_url"],
        client=None if client is None else _read_client(client),
        asked=tuple(held["asked"]),
        agent=held["agent"],
    )


def registration_text(registration: ClientRegistration) -> bytes:
    """A registration, its secret included."""
    return orjson.dumps(_client(registration))


def read_registration(text: bytes) -> ClientRegistration:
    """The registration of a text."""
    return _read_client(orjson.loads(text))


def names(values: tuple[str, ...]) -> str:
    """Scopes or teams, for a column."""
    return orjson.dumps(values).decode()


def read_names(text: str) -> tuple[str, ...]:
    """The names of a column."""
    return tuple(orjson.loads(text))


def _client(client: ClientRegistration) -> dict[str, Any]:
    return asdict(replace(client, client_secret=None)) | {"client_secret": _revealed(client.client_secret)}


def _read_client(held: dict[str, Any]) -> ClientRegistration:
    return ClientRegistration(**held | {"client_secret": _secret(held["client_secret"])})


def _headers(held: Mapping[str, str]) -> Mapping[str, Secret]:
    return MappingProxyType({name: Secret(value) for name, value in held.items()})


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _secret(value: str | None) -> Secret | None:
    return None if value is None else Secret(value)
