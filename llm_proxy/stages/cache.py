"""Answers given again to the same request of the same caller, for those who ask for it.

What was cached is what the provider said: guardrails look at it again each time. A key holds who asks and the snapshot,
so that nobody is answered with what somebody else was told, and nothing outlives the policies it was allowed by.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Final

from llm_proxy.asking import Ask, Reply
from mcp_gateway.core import strictjson
from mcp_gateway.core.canonical import canonical
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.strictjson import JsonError
from mcp_gateway.envelopes.policy.authorize import Permitted

HEADERS: Final = ("x-tfy-cache-config", "x-gateway-cache-config")
"""`{"type": "exact-match", "namespace": …, "ttl": seconds}`, under either name."""

LONGEST_TTL: Final = 3 * 86_400.0
"""Seconds."""

MOST_BYTES: Final = 64 << 20
"""Bytes of answers that are kept in all; those of one are at most a sixteenth of it."""

_NAMESPACE: Final = "default"
_LONGEST_NAMESPACE: Final = 128


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says about the cache. `ttl` is in seconds."""

    namespace: str
    ttl: float


class Kept:
    """The answers that are kept: at most so many, the least lately used first to go. Lives across configurations."""

    __slots__ = ("_clock", "_held", "_size", "hits", "misses")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._held: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self.hits = 0
        self.misses = 0

    def find(self, key: bytes) -> bytes | None:
        """The answer under `key`, while it is not too old."""
        held = self._held.get(key)
        if held is not None and held[0] > self._clock():
            self._held.move_to_end(key)
            self.hits += 1
            return held[1]
        if held is not None:
            self._drop(key)
        self.misses += 1
        return None

    def keep(self, key: bytes, answer: bytes, ttl: float, most: int) -> None:
        """Keep `answer` for `ttl` seconds, as one of `most`."""
        if len(answer) > MOST_BYTES // 16:
            return
        if key in self._held:
            self._drop(key)
        self._held[key] = (self._clock() + ttl, answer)
        self._size += len(answer)
        while len(self._held) > most or self._size > MOST_BYTES:
            self._drop(next(iter(self._held)))

    def _drop(self, key: bytes) -> None:
        self._size -= len(self._held.pop(key)[1])


class CacheAnswers:
    """Answers from what is kept, and keeps what is answered. Streams pass by. Raises `Invalid` for a bad header."""

    __slots__ = ("_kept", "_most", "_ttl")

    def __init__(self, kept: Kept, *, ttl: float, most: int) -> None:
        """`ttl` is how many seconds an answer is kept at most, `most` how many are."""
        self._kept = kept
        self._ttl = ttl
        self._most = most

    def __call__(self, call: Permitted[Ask], call_next: Handler[Permitted[Ask], Reply]) -> Awaitable[Reply]:
        ask = call.call
        written = [value for name in HEADERS for value in ask.headers.get(name, ())] if ask.headers else ()
        if not written or ask.asked.stream:
            return call_next(call)
        return self._answer(call, call_next, read_wish(written))

    async def _answer(self, call: Permitted[Ask], call_next: Handler[Permitted[Ask], Reply], wish: Wish) -> Reply:
        ask = call.call
        key = _key(ask, wish.namespace)
        found = self._kept.find(key)
        ask.trail.notes["cache"] = "miss" if found is None else "hit"
        ask.out.tell("cache", "miss" if found is None else "hit")
        if found is not None:
            return Reply(strictjson.loads_upstream(found), found)
        reply = await call_next(call)
        if reply.body is not None:
            # A copy: what the encoder gives has kilobytes of room behind it, and would keep them as long as it is kept.
            answer = reply.raw or bytes(memoryview(strictjson.dumps(reply.body)))
            self._kept.keep(key, answer, min(wish.ttl, self._ttl), self._most)
        return reply


def read_wish(written: Sequence[str]) -> Wish:
    """What the values of the header say. Raises `Invalid`."""
    if len(written) > 1:
        raise Invalid("the header that asks for the cache was sent twice")
    try:
        said = strictjson.loads(written[0].encode("latin-1"))
    except JsonError:
        raise Invalid("the header that asks for the cache is no JSON") from None
    if not isinstance(said, dict) or said.get("type", "exact-match") != "exact-match":
        raise Invalid("the cache knows `exact-match` only")
    unknown = sorted(said.keys() - {"type", "namespace", "ttl"})
    if unknown:
        raise Invalid("the header that asks for the cache has keys other than type, namespace and ttl")
    namespace, ttl = said.get("namespace", _NAMESPACE), said.get("ttl", LONGEST_TTL)
    if not isinstance(namespace, str) or len(namespace) > _LONGEST_NAMESPACE:
        raise Invalid(f"the cache's namespace is a string of at most {_LONGEST_NAMESPACE} characters")
    if type(ttl) not in (int, float) or not 0 < ttl <= LONGEST_TTL:
        raise Invalid("the cache's ttl is a number of seconds, at most three days")
    return Wish(namespace, float(ttl))


def _key(ask: Ask, namespace: str) -> bytes:
    digest = sha256()
    for part in (ask.snapshot, ask.principal.binding, namespace, ask.dialect.wire):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(encoded), encoded))
    # Routes and budgets read it: with other metadata another model may answer.
    digest.update(canonical(dict(ask.metadata)))
    digest.update(canonical(ask.body))
    return digest.digest()
