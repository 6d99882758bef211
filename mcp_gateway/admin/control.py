"""What the control plane asks of the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mcp_gateway.envelopes.observability.ledger.usage import Group


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The outcome of a reload: the snapshot now running, and what was wrong if the new one was refused."""

    ok: bool
    snapshot: str
    problems: tuple[str, ...] = ()


class Control(Protocol):
    """The gateway as its control plane sees it."""

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should be sent here, and why not."""
        ...

    def servers(self) -> list[dict[str, Any]]:
        """The virtual servers, and what each source contributes."""
        ...

    def server(self, name: str) -> dict[str, Any] | None:
        """One of them with everything that it offers, by name; None where there is no such server."""
        ...

    def upstreams(self) -> list[dict[str, Any]]:
        """The upstreams and how they are."""
        ...

    def definitions(self, upstream: str) -> dict[str, Any] | None:
        """What an upstream says of its tools, as last read and whole; None where there is no such upstream."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """The running snapshot: version, configuration digest, notices."""
        ...

    def metrics(self) -> str:
        """What is counted and measured, in the Prometheus text format."""
        ...

    async def reload(self) -> Reloaded:
        """Read the configuration again and swap it in whole, or keep the running one."""
        ...

    async def connections(
        self, principal: str | None, upstream: str | None, *, after: tuple[str, str] | None, most: int
    ) -> Sequence[Mapping[str, Any]]:
        """Who has connected accounts where; of one principal or upstream where that is given. No secrets.

        In the order of principals and upstreams, those `after` one of each. Raises `IdentityUnavailable`.
        """
        ...

    async def disconnect(self, principal: str, upstream: str) -> dict[str, Any] | None:
        """Delete a connection and begin its revocation; what was done, None if there is no such connection."""
        ...

    async def usage(self, by: Sequence[str], *, since: float, until: float | None, most: int) -> Sequence[Group]:
        """What was used, the most expensive first. Raises `UnknownKey`, `TooMany`, `IdentityUnavailable`."""
        ...

    def identities(self) -> list[str]:
        """Principals and teams that the running policies name, as `access` takes them."""
        ...

    async def access(
        self,
        who: str,
        *,
        teams: tuple[str, ...],
        scopes: tuple[str, ...],
        email: str | None,
        claims: Mapping[str, object],
    ) -> dict[str, Any]:
        """What `who` sees of every virtual server, were these its teams and claims. Raises `UnknownPrincipal`."""
        ...
