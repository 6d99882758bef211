"""A vault and flows in memory, for tests that are about what stands before them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.envelopes.identity.stores import Connection, Grant, GrantKey, Status, Tokens


@dataclass
class MemoryVault:
    """Implements `stores.Vault` without claims: nothing here refreshes."""

    rows: dict[GrantKey, Grant] = field(default_factory=dict)
    down: bool = False
    looks: int = 0
    count: int = 0

    def _check(self) -> None:
        if self.down:
            raise IdentityUnavailable("the vault is down")

    async def read(self, key: GrantKey) -> Grant | None:
        self._check()
        return self.rows.get(key)

    async def version(self, key: GrantKey) -> tuple[int, Status] | None:
        self.looks += 1
        self._check()
        grant = self.rows.get(key)
        return None if grant is None else (grant.version, grant.status)

    async def store(self, grant: Grant) -> Grant:
        self._check()
        self.count += 1
        stored = replace(grant, version=self.count, created_at=time.time(), updated_at=time.time())
        self.rows[grant.key] = stored
        return stored

    async def redeem(self, key: GrantKey, version: int, *, seconds: float) -> Literal["mine", "theirs", "changed"]:
        return "changed"

    async def settle(self, key: GrantKey, version: int, tokens: Tokens) -> Grant | None:
        return None

    async def unclaim(self, key: GrantKey, version: int) -> None:
        return

    async def exhaust(self, key: GrantKey, version: int) -> None:
        self.rows[key] = replace(self.rows[key], status="needs_consent", version=version + 1)

    async def connections(
        self,
        *,
        principal: str | None = None,
        upstream: str | None = None,
        after: GrantKey | None = None,
        most: int | None = None,
    ) -> Sequence[Connection]:
        self._check()
        held = sorted(self.rows.items(), key=lambda row: (row[0].principal, row[0].upstream))
        found = [
            Connection(
                principal=key.principal,
                upstream=key.upstream,
                kind=grant.kind,
                issuer=grant.issuer,
                resource=grant.resource,
                scopes=grant.tokens.scopes,
                status=grant.status,
                agent=grant.agent,
                version=grant.version,
                created_at=grant.created_at,
                updated_at=grant.updated_at,
                expires_at=grant.tokens.expires_at,
                refreshable=grant.tokens.refresh_token is not None,
            )
            for key, grant in held
            if principal in (None, key.principal) and upstream in (None, key.upstream)
            if after is None or (key.principal, key.upstream) > (after.principal, after.upstream)
        ]
        return found[:most]

    async def delete(self, key: GrantKey) -> Grant | None:
        self._check()
        return self.rows.pop(key, None)


@dataclass
class MemoryFlows:
    """Implements `stores.Flows`; `expire` lets all time pass."""

    kept: dict[str, bytes] = field(default_factory=dict)

    async def put(self, id: str, payload: bytes, *, seconds: float) -> None:
        assert 0 < seconds <= 600
        self.kept[id] = payload

    async def take(self, id: str) -> bytes | None:
        return self.kept.pop(id, None)

    def expire(self) -> None:
        self.kept.clear()
