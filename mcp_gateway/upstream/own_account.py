"""Reads an upstream on the gateway's own account: with its credential, once more with another if that is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mcp_gateway.calls.inventory import Inventory, Listing
from mcp_gateway.core.errors import ConnectionRequired, IdentityUnavailable, Unreachable, UpstreamError
from mcp_gateway.core.principal import GATEWAY
from mcp_gateway.upstream.connect import Connector, Hello, contradicts_era, until
from mcp_gateway.upstream.credentials import Credentials, Fields, fields_for, renewed_after
from mcp_gateway.upstream.inventory import EVERYTHING, read_inventory
from mcp_gateway.upstream.spec import Log
from mcp_gateway.upstream.streamable import Refused
from mcp_gateway.upstream.wire import Conversation, Exchange


class OwnAccount:
    """What the gateway itself is shown of one upstream.

    Every method raises `UpstreamError` where that fails for now, `ConnectionRequired` where only people have accounts.
    """

    __slots__ = ("_connector", "_credentials", "_log", "_timeout")

    def __init__(self, connector: Connector, credentials: Credentials, *, timeout: float, log: Log) -> None:
        self._connector = connector
        self._credentials = credentials
        self._timeout = timeout
        self._log = log

    async def reach(
        self, hello: Hello, last: Inventory, close: Callable[[Conversation], None]
    ) -> tuple[Conversation, Inventory]:
        """Connect and read everything. `close` gets a conversation that turned out to be of no use."""
        fields = await self._fields(until(self._timeout))
        try:
            return await self._reach(replace(hello, headers=fields), last, close)
        except Refused as refused:
            fields = await self._renewed(refused, fields)
            return await self._reach(replace(hello, headers=fields), last, close)

    async def read(self, conversation: Conversation, last: Inventory, listings: frozenset[Listing]) -> Inventory:
        """`last` with `listings` read anew."""
        fields = await self._fields(until(self._timeout))
        try:
            return await self._read(fields, conversation, last, listings)
        except Refused as refused:
            return await self._read(await self._renewed(refused, fields), conversation, last, listings)

    async def to_listen(self, deadline: float) -> Fields:
        """What goes with a stream of announcements. Raises `UpstreamError` only."""
        try:
            return await self._fields(deadline)
        except ConnectionRequired as error:
            raise Unreachable(error.message, sent=False) from None

    async def _reach(
        self, hello: Hello, last: Inventory, close: Callable[[Conversation], None]
    ) -> tuple[Conversation, Inventory]:
        conversation = await self._connector.connect(hello)
        try:
            return conversation, await self._read(hello.headers, conversation, last, EVERYTHING)
        except BaseException as error:
            if isinstance(error, UpstreamError) and contradicts_era(conversation, error):
                self._connector.forget()
            close(conversation)
            raise

    async def _read(
        self, fields: Fields, conversation: Conversation, last: Inventory, listings: frozenset[Listing]
    ) -> Inventory:
        def exchange() -> Exchange:
            return Exchange(deadline=until(self._timeout), headers=fields)

        return await read_inventory(conversation, last, listings, exchange, self._log)

    async def _fields(self, deadline: float) -> Fields:
        try:
            return await fields_for(self._credentials, GATEWAY, deadline)
        except IdentityUnavailable as error:
            raise Unreachable(error.message, sent=False) from None

    async def _renewed(self, refused: Refused, fields: Fields) -> Fields:
        try:
            renewed = await renewed_after(refused, self._credentials, GATEWAY, fields, until(self._timeout))
        except IdentityUnavailable as error:
            raise Unreachable(error.message, sent=False) from None
        if renewed is None:
            raise refused
        return renewed
