"""Resolution under a policy: what comes out are the very addresses that will be dialled."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from mcp_gateway.core.egress.addresses import AddressPolicy
from mcp_gateway.core.egress.origin import Origin
from mcp_gateway.core.errors import Unreachable

_REFUSED: Final = "the address is not permitted (private networks and plain http may need an entry in egress.allow)"


class AddressGuard:
    """Resolves a host once and judges every address, so that no second look-up can give another answer.

    One refused address refuses the host: a name that mixes public and internal addresses is a rebinding
    attempt or a mistake, and picking the good ones would leave the outcome to chance.
    """

    __slots__ = ("_policy",)

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def resolve(self, origin: Origin) -> tuple[str, ...]:
        """Numeric addresses of the origin, in the order the resolver prefers them.

        Raises:
            Unreachable: the name does not resolve or an address is not permitted. The message does
                not tell which address it was: it may reach the one who supplied the name.
        """
        addresses = await self._look_up(origin)
        if not all(self._policy.permits(origin.host, address, secure=origin.secure) for address in addresses):
            raise Unreachable(_REFUSED, sent=False)
        return tuple(str(address) for address in addresses)

    async def _look_up(self, origin: Origin) -> list[IPv4Address | IPv6Address]:
        try:
            return [ip_address(origin.host)]
        except ValueError:
            pass
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            # A dict keeps the order and drops duplicates. A scope id is kept as part of the address, and judged.
            addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
        except (OSError, UnicodeError, ValueError):
            raise Unreachable("the host name does not resolve", sent=False) from None
        if not addresses:
            raise Unreachable("the host name does not resolve", sent=False)
        return addresses
