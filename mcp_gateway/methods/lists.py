"""tools/list, prompts/list, resources/list, resources/templates/list: pages prepared before they are asked for."""

from __future__ import annotations

from typing import Final

import orjson

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.calls.kinds import Result
from mcp_gateway.core.call import Call
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.seal import SealBroken, Sealer
from mcp_gateway.methods.offer import Offer

_BAD_CURSOR: Final = "the cursor is not valid: start the list again without one"


class ListEntries:
    """Answers one of the four lists.

    A cursor is sealed and names the list it belongs to: after a change of what the caller sees it is refused,
    so that nobody reads pages of two different lists as one.
    """

    __slots__ = ("_kind", "_offer", "_sealer")

    def __init__(self, kind: Listing, offer: Offer, sealer: Sealer) -> None:
        self._kind = kind
        self._offer = offer
        self._sealer = sealer

    async def __call__(self, call: Call) -> Result:
        modern = call.client.modern
        listed = await self._offer.listed(self._kind, call)
        pages = listed.pages
        index = 0
        if "cursor" in call.params:
            index = self._open(call, call.params["cursor"], listed.digest)
        if index >= len(pages):
            raise Invalid(_BAD_CURSOR, pointer="/params/cursor")
        page = pages[index]
        result: Result = {self._kind.value: page.entries}
        if index + 1 < len(pages):
            result["nextCursor"] = self._sealer.seal(orjson.dumps(index + 1), self._bound(call, listed.digest))
        if modern:
            result["resultType"] = "complete"
            result["ttlMs"] = page.ttl_ms
            result["cacheScope"] = "private" if page.private else "public"
        return result

    def _open(self, call: Call, cursor: object, digest: str) -> int:
        try:
            if not isinstance(cursor, str):
                raise SealBroken
            index: int = orjson.loads(self._sealer.open(cursor, self._bound(call, digest)))
        except SealBroken as error:
            raise Invalid(_BAD_CURSOR, pointer="/params/cursor") from error
        return index

    def _bound(self, call: Call, digest: str) -> bytes:
        parts = (self._kind.value, call.server, call.principal.binding, digest)
        return "\0".join(parts).encode()
