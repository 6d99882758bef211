"""`state`: where the gateway keeps what outlives a process, and the keys that seal it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from mcp_gateway.core.secret import REDACTED, Secret
from mcp_gateway.settings.base import Model, Name, refusal, section
from mcp_gateway.settings.references import SECRET_SCHEMA, LocalPath, is_reference, resolve_secret, resolver_of
from mcp_gateway.settings.units import Size
from mcp_gateway.settings.words import holds_password

DEFAULT_KEY: Final = "file:data/keys/k1"
MIN_KEY: Final = 32
"""Fewest characters of an encryption key."""

MIN_DISTINCT: Final = 8
"""Fewest different characters of one; below stand placeholders such as a repeated letter."""

_SQLITE: Final = "sqlite:///"
_DATABASES: Final = (_SQLITE, "postgresql://", "postgres://")
_REDIS: Final = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key as configured. `secret` is None when its file does not exist yet: on loopback it is made at `path`."""

    path: Path | None
    secret: Secret | None


def _store(value: object, info: ValidationInfo, schemes: tuple[str, ...]) -> Secret:
    wanted = " or ".join(f"{scheme}…" for scheme in schemes)
    if isinstance(value, str) and not is_reference(value):
        if holds_password(value):
            raise refusal("a literal secret is refused: this URL holds a password", "give the whole URL as env:NAME")
        found = Secret(value)
    else:
        found = resolve_secret(value, info) if is_reference(value) or isinstance(value, Secret) else Secret("")
    if not found.reveal().startswith(schemes):
        raise refusal(f"expected {wanted}, or env:NAME or file:/path that holds one")
    return found


def _database(value: object, info: ValidationInfo) -> Secret:
    found = _store(value, info, _DATABASES)
    url, resolver = found.reveal(), resolver_of(info)
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or resolver is None or path.startswith("/"):
        return found
    return Secret(_SQLITE + str(resolver.path(path)))


def _redis(value: object, info: ValidationInfo) -> Secret | None:
    return None if value is None else _store(value, info, _REDIS)


def _key(value: object, info: ValidationInfo) -> EncryptionKey:
    if isinstance(value, EncryptionKey):
        return value
    resolver, path = resolver_of(info), None
    if isinstance(value, str) and value.startswith("file:"):
        name = value.removeprefix("file:")
        path = Path(name) if resolver is None else resolver.path(name)
        if resolver is None or not os.path.exists(path):
            if resolver is not None:
                resolver.files.add(path)
            return EncryptionKey(path, None)
    secret = resolve_secret(value, info)
    if len(secret.reveal()) < MIN_KEY:
        raise refusal(
            f"an encryption key has at least {MIN_KEY} random characters", "make one with `openssl rand -base64 32`"
        )
    if len(set(secret.reveal())) < MIN_DISTINCT:
        raise refusal("this encryption key is not random", "make one with `openssl rand -base64 32`")
    return EncryptionKey(path, secret)


def _shown(value: Secret | None) -> str | None:
    return None if value is None else REDACTED


def _shown_key(value: EncryptionKey) -> str:
    return f"file:{value.path}" if value.path is not None else REDACTED


Database = Annotated[
    Secret,
    PlainValidator(_database),
    PlainSerializer(_shown, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^(sqlite:///|postgres(ql)?://|env:|file:).+$"}),
]
Redis = Annotated[
    Secret | None,
    PlainValidator(_redis),
    PlainSerializer(_shown),
    WithJsonSchema({"type": ["string", "null"], "pattern": "^(rediss?://|unix://|env:|file:).+$"}),
]
Key = Annotated[EncryptionKey, PlainValidator(_key), PlainSerializer(_shown_key, return_type=str), SECRET_SCHEMA]


class LedgerSettings(Model):
    """Where entries wait on this machine until the database has them."""

    path: LocalPath = Field(default="data/ledger", validate_default=True, description="A folder.")
    sync: Literal["interval", "always"] = Field(
        default="interval",
        description="When they are forced to the disk: soon, or at once. A killed process loses none either way.",
    )
    max_size: Size = Field(default=1 << 30, description="The most that waits; beyond, entries are dropped and counted.")


class StateSettings(Model):
    """Database, shared store and keys. The URLs may hold passwords, so they are secrets."""

    database: Database = Field(
        default="sqlite:///data/gateway.db",
        validate_default=True,
        description="sqlite:///path or postgresql://…; with a password, env:NAME or file:/path.",
    )
    redis: Redis = Field(
        default=None, description="redis://… shares limits, budgets, locks and parked calls between replicas."
    )
    ledger: LedgerSettings = section()
    tenant: Name = Field(default="default", description="Keeps gateways that share a database apart.")
    encryption_keys: tuple[Key, ...] = Field(
        default=(DEFAULT_KEY,),
        validate_default=True,
        min_length=1,
        description="The first encrypts, all decrypt. On loopback the first is made (0600) if its file is absent.",
    )
