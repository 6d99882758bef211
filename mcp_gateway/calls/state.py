"""`requestState` of an upstream travels sealed through the client (2026-07-28, multi round-trip requests).

Unsealed, the state minted by one upstream could be replayed to another or by another user. The seal
binds it to the upstream, the principal and the request it came from, and expires.
"""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import Final

import orjson

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import Invalid, ProtocolViolation
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.seal import SealBroken, Sealer

STATE_SECONDS: Final = 3600
"""How long a person may take to answer an `input_required`."""

_NOT_SALIENT: Final = frozenset({"requestState", "inputResponses", "_meta"})


class SealState:
    """Opens the client's `requestState` on the way in, seals the upstream's on the way out."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def __call__(self, call: Invocation, call_next: Handler[Invocation, Result]) -> Result:
        if "requestState" in call.params:
            call = call._replace(params={**call.params, "requestState": self._open(call)})
        result = await call_next(call)
        if result.get("resultType") == "input_required" and "requestState" in result:
            state = result["requestState"]
            if not isinstance(state, str):
                raise ProtocolViolation("the requestState of an answer is not a string", upstream=call.upstream)
            result = {**result, "requestState": self._seal(call, state)}
        return result

    def _open(self, call: Invocation) -> object:
        token = call.params["requestState"]
        try:
            if not isinstance(token, str):
                raise SealBroken
            expires, state = orjson.loads(self._sealer.open(token, bound_to(call)))
            if expires < time.time():
                raise SealBroken
        except SealBroken as error:
            raise Invalid("requestState is not valid for this request", pointer="/params/requestState") from error
        return state

    def _seal(self, call: Invocation, state: str) -> str:
        return self._sealer.seal(orjson.dumps([int(time.time()) + STATE_SECONDS, state]), bound_to(call))


def bound_to(call: Invocation) -> bytes:
    """What state that travels with `call` is bound to: the same caller's retry of the same request, no other."""
    salient = {key: value for key, value in call.params.items() if key not in _NOT_SALIENT}
    # Not orjson: it refuses integers beyond 64 bits, and arguments may hold them.
    digest = sha256(json.dumps(salient, sort_keys=True).encode()).digest()
    who = (call.kind.value, call.call.server, call.upstream, call.call.principal.binding)
    return "\0".join(who).encode() + b"\0" + digest
