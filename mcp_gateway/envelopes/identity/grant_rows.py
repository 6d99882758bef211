"""A grant as a row of the table, sealed and opened. No database here: what is asked of one is in `vault.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, and_

from mcp_gateway.core.seal import SealBroken
from mcp_gateway.core.state.tables import GRANTS
from mcp_gateway.envelopes.identity.envelope import Envelopes, Sealed
from mcp_gateway.envelopes.identity.stores import Connection, Grant, GrantKey, Tokens
from mcp_gateway.envelopes.identity.texts import grant_text, names, read_grant, read_names

_NOTHING: Final = Tokens()


def bound_parts(tenant: str, grant: Grant) -> tuple[str, ...]:
    """What a grant's text is bound to: whose it is, where it is good, which version it is and if it may be used."""
    key = grant.key
    identity = (tenant, key.principal, key.upstream)
    return ("grant", *identity, grant.issuer, grant.resource, str(grant.version), grant.status)


def columns(tenant: str, grant: Grant, envelopes: Envelopes) -> dict[str, Any]:
    """The columns of `grant` under a new data key, without a claim."""
    sealed = envelopes.seal(grant_text(grant), bound_parts(tenant, grant))
    return {
        "tenant": tenant,
        "principal": grant.key.principal,
        "upstream": grant.key.upstream,
        "kind": grant.kind,
        "issuer": grant.issuer,
        "resource": grant.resource,
        "scopes": names(grant.tokens.scopes),
        "agent": grant.agent,
        "status": grant.status,
        "version": grant.version,
        "created_at": grant.created_at,
        "updated_at": grant.updated_at,
        "expires_at": grant.tokens.expires_at,
        "refreshable": int(grant.tokens.refresh_token is not None),
        "claim": None,
        "claim_until": None,
        "kek": sealed.kek,
        "wrapped": sealed.wrapped,
        "sealed": sealed.text,
    }


def in_the_clear(row: RowMapping) -> Grant:
    """What the row says without being opened."""
    return Grant(
        key=GrantKey(row["principal"], row["upstream"]),
        kind=row["kind"],
        tokens=_NOTHING,
        issuer=row["issuer"],
        resource=row["resource"],
        agent=row["agent"],
        status=row["status"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def opened(tenant: str, row: RowMapping, envelopes: Envelopes) -> Grant:
    """The grant of a row. Raises `SealBroken` unless all of the row is what was sealed for it."""
    clear = in_the_clear(row)
    text = envelopes.open(Sealed(row["kek"], row["wrapped"], row["sealed"]), bound_parts(tenant, clear))
    grant = read_grant(text, clear)
    if (grant.kind, grant.agent) != (clear.kind, clear.agent):
        raise SealBroken
    return grant


def next_version(grant: Grant, now: float) -> Grant:
    """`grant` as changed at `now`."""
    return replace(grant, version=grant.version + 1, updated_at=now)


def connection(row: RowMapping) -> Connection:
    """What may be shown of a row."""
    return Connection(
        principal=row["principal"],
        upstream=row["upstream"],
        kind=row["kind"],
        issuer=row["issuer"],
        resource=row["resource"],
        scopes=read_names(row["scopes"]),
        status=row["status"],
        agent=row["agent"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        refreshable=bool(row["refreshable"]),
    )


def at(tenant: str, key: GrantKey) -> ColumnElement[bool]:
    """The one row of `key`. There is no other way to a row that holds a token."""
    return and_(GRANTS.c.tenant == tenant, GRANTS.c.principal == key.principal, GRANTS.c.upstream == key.upstream)


def storable(*parts: str) -> bool:
    """False for what no database could hold, and so nothing is stored under: NUL and lone surrogates."""
    return not any("\0" in part or any("\ud800" <= letter <= "\udfff" for letter in part) for part in parts)
