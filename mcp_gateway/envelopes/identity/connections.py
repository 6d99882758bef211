"""Connections as they come and go: who waits for one is told, who ends one has it revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from mcp_gateway.core.errors import GatewayError, IdentityUnavailable
from mcp_gateway.envelopes.identity.stores import Connection, Grant, GrantKey, Vault

POLL_SECONDS: Final = 1.0
"""Between two looks at the store for a connection that another replica may have stored."""

_REVOCATIONS: Final = 1000
_CLOSING_SECONDS: Final = 5.0

Revoke = Callable[[Grant], Awaitable[None]]
"""Tells the authorization server that the tokens of a grant are done with (RFC 7009); raises `GatewayError`."""

Forget = Callable[[str, str], object]
"""Drops what is kept in memory for (principal, upstream)."""


class Log(Protocol):
    """A structured logger."""

    def info(self, event: str, /, **facts: object) -> object: ...

    def warning(self, event: str, /, **facts: object) -> object: ...


@dataclass(frozen=True, slots=True)
class Disconnected:
    """What became of a connection: it is deleted; `revocation` says what the authorization server hears of it.

    ``none``: it has no way to be told (no RFC 7009 endpoint, or a header value that a user stored).
    """

    key: GrantKey
    revocation: Literal["started", "done", "failed", "none"]


class Connections:
    """The vault's grants with the news of them. One per process; waiting works across replicas."""

    def __init__(
        self,
        vault: Vault,
        *,
        forget: Forget,
        revoke: Revoke,
        log: Log,
        poll: float = POLL_SECONDS,
        pauses: Sequence[float] = (1.0, 5.0, 25.0),
    ) -> None:
        """`pauses` are the seconds between attempts to revoke; `poll` those between looks at the store."""
        self._vault = vault
        self._forget = forget
        self._revoke = revoke
        self._log = log
        self._poll = poll
        self._pauses = tuple(pauses)
        self._waiting: dict[GrantKey, _Watch] = {}
        self._revoking: set[asyncio.Task[bool]] = set()

    async def store(self, grant: Grant) -> Grant:
        """Put a grant into the vault and wake who waits for it. Raises `IdentityUnavailable`."""
        stored = await self._vault.store(grant)
        self._forget(grant.key.principal, grant.key.upstream)
        watch = self._waiting.get(grant.key)
        if watch is not None:
            watch.news.set()
        self._log.info(
            "connection stored",
            principal=grant.key.principal,
            upstream=grant.key.upstream,
            kind=grant.kind,
            issuer=grant.issuer,
            scopes=list(grant.tokens.scopes),
        )
        return stored

    async def version(self, key: GrantKey) -> int | None:
        """The version of the grant that is stored now, to be waited past; None if there is none."""
        found = await self._vault.version(key)
        return None if found is None else found[0]

    async def wait(self, key: GrantKey, *, other_than: int | None, deadline: float) -> bool:
        """Wait until there is a usable grant that is not of version `other_than`; False if `deadline` came first.

        `deadline` is in the loop's clock. The store is asked at once, when this process stores a grant, and now and
        then for what others store; all who wait for one key share these looks. A store that cannot be asked is
        asked again.
        """
        watch = self._waiting.get(key)
        if watch is None:
            watch = self._waiting[key] = _Watch()
            watch.task = asyncio.get_running_loop().create_task(self._look(key, watch))
        watch.waiters += 1
        try:
            async with asyncio.timeout_at(deadline):
                while not watch.is_other(other_than):
                    await watch.looked()
                return True
        except TimeoutError:
            return False
        finally:
            watch.waiters -= 1
            if watch.waiters == 0:
                del self._waiting[key]
                watch.close()

    async def list(
        self,
        *,
        principal: str | None = None,
        upstream: str | None = None,
        after: GrantKey | None = None,
        most: int | None = None,
    ) -> Sequence[Connection]:
        """What is connected, without secrets; of a long list those `after` a key, `most` of them.

        Raises `IdentityUnavailable`.
        """
        return await self._vault.connections(principal=principal, upstream=upstream, after=after, most=most)

    async def disconnect(self, key: GrantKey, *, finish: bool = False) -> Disconnected | None:
        """Delete a connection, then tell its authorization server; None if there is none.

        Deleting comes first: what follows may fail, and the gateway must not go on using the tokens. The telling
        goes on in the background unless `finish`. Raises `IdentityUnavailable`, in which case nothing happened.
        """
        grant = await self._vault.delete(key)
        self._forget(key.principal, key.upstream)
        if grant is None:
            return None
        self._log.info("connection deleted", principal=key.principal, upstream=key.upstream)
        if not grant.revocation_url:
            return Disconnected(key, "none")
        if len(self._revoking) >= _REVOCATIONS:
            self._log.warning(
                "revocation failed", upstream=key.upstream, issuer=grant.issuer, reason="too many at once"
            )
            return Disconnected(key, "failed")
        task = asyncio.get_running_loop().create_task(self._revoke_with_patience(grant))
        self._revoking.add(task)
        task.add_done_callback(self._revoking.discard)
        if not finish:
            return Disconnected(key, "started")
        return Disconnected(key, "done" if await task else "failed")

    async def close(self) -> None:
        """Give revocations on their way a moment, then let go of everything."""
        if self._revoking:
            await asyncio.wait(self._revoking, timeout=_CLOSING_SECONDS)
        for task in (*self._revoking, *(watch.task for watch in self._waiting.values())):
            if task is not None:
                task.cancel()

    async def _look(self, key: GrantKey, watch: _Watch) -> None:
        while True:
            watch.news.clear()
            try:
                found = await self._vault.version(key)
            except IdentityUnavailable:
                found = None
            watch.see(found[0] if found is not None and found[1] == "active" else None)
            try:
                async with asyncio.timeout(self._poll):
                    await watch.news.wait()
            except TimeoutError:
                continue

    async def _revoke_with_patience(self, grant: Grant) -> bool:
        reason = ""
        for pause in (*self._pauses, None):
            try:
                await self._revoke(grant)
                return True
            except GatewayError as error:
                reason = error.reason
            if pause is not None:
                await asyncio.sleep(pause)
        self._log.warning("revocation failed", upstream=grant.key.upstream, issuer=grant.issuer, reason=reason)
        return False


class _Watch:
    """What all who wait for one key share: the version last seen, and the wish to look now."""

    __slots__ = ("_looks", "_version", "news", "task", "waiters")

    def __init__(self) -> None:
        self.waiters = 0
        self.news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._version: int | None = None
        self._looks = asyncio.Event()

    def is_other(self, version: int | None) -> bool:
        return self._version is not None and self._version != version

    def see(self, version: int | None) -> None:
        self._version = version
        self._looks.set()
        self._looks = asyncio.Event()

    async def looked(self) -> None:
        await self._looks.wait()

    def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
