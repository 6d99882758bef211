"""What of an upstream's credentials goes with a request. Nothing of a caller's own ever does.

The gateway's own requests are made as the principal `core.principal.GATEWAY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.secret import Secret
from mcp_gateway.upstream.streamable import Refused

Fields = Mapping[str, str]
"""Header fields, names in lower case."""


class Credentials(Protocol):
    """The credentials of every principal for one upstream."""

    def at_hand(self, principal: Principal) -> Fields | None:
        """What goes with a call of `principal`, if it is in memory and good; None where it has to be obtained."""
        ...

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        """The same, waiting for it if need be; `deadline` is in the loop's clock.

        Raises `ConnectionRequired` where a person has to act first, `IdentityUnavailable` where what holds or gives
        the credential cannot be asked now, `UpstreamError` where an authorization server refused for good.
        """
        ...

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        """Another credential after the upstream answered 401 or 403 to `refused`; None where there is no other.

        Called at most once for a call. Raises as `obtain` does; a 403 that asks for more scopes may so become a
        new consent. For the gateway's own requests `ConnectionRequired` says that only people have credentials here.
        """
        ...


async def fields_for(credentials: Credentials, principal: Principal, deadline: float) -> Fields:
    """What goes with a request of `principal`, waiting for it only if need be. Raises what `obtain` raises."""
    fields = credentials.at_hand(principal)
    return await credentials.obtain(principal, deadline) if fields is None else fields


async def renewed_after(
    refused: Refused, credentials: Credentials, principal: Principal, fields: Fields, deadline: float
) -> Fields | None:
    """What to send the request with once more after it was refused; None where that would be of no use.

    A refusal at the door was provably not processed. Raises what `renew` raises.
    """
    challenge = Challenge.parse(refused.challenge)
    if refused.status == 401 or (
        refused.status == 403 and challenge is not None and challenge.error == "insufficient_scope"
    ):
        return await credentials.renew(principal, fields, refused.status, challenge, deadline)
    return None


class FixedHeaders:
    """The same header fields for everybody; none is the common case. Revealed once, never shown."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Secret] | None = None) -> None:
        self._fields: Fields = MappingProxyType(
            {name.lower(): value.reveal() for name, value in (fields or {}).items()}
        )

    def at_hand(self, principal: Principal) -> Fields:
        return self._fields

    async def obtain(self, principal: Principal, deadline: float) -> Fields:
        return self._fields

    async def renew(
        self, principal: Principal, refused: Fields, status: int, challenge: Challenge | None, deadline: float
    ) -> Fields | None:
        return None

    def __repr__(self) -> str:
        return f"FixedHeaders({', '.join(self._fields)})"
