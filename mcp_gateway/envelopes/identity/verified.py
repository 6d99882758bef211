"""What a verified token proves, and the bounded memory of verified and refused ones."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from mcp_gateway.core.principal import Principal

_MOST: Final = 10_000
"""Tokens remembered of either kind: about 2 KB each with its claims, so 20 MB at worst."""


class TokenRefused(Exception):
    """The token is not accepted. `reason` is a short word for the log; the client is told nothing of it.

    `keep` is for how many seconds the answer may be repeated without asking again.
    """

    def __init__(self, reason: str, *, keep: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.keep = keep


class Vouching(Protocol):
    """The keys that a signature was verified with. `version` counts their changes; `due` is in monotonic seconds."""

    @property
    def version(self) -> int: ...

    @property
    def due(self) -> float:
        """When to call `good` next."""
        ...

    def good(self, now: float) -> bool:
        """Whether what was verified still holds. Never waits; may begin a refresh in the background."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A token that was verified, and how long that holds.

    `audiences` are those of the token; with `everywhere` it is good for every resource of the gateway.
    `expires` is in Unix seconds, `until` in monotonic seconds: a clock that is set back prolongs no token, and one
    that jumps ahead no cached answer. `keys` and `version` are those the signature was verified with, if it has one.
    """

    principal: Principal
    audiences: frozenset[str] = frozenset()
    everywhere: bool = False
    expires: float = float("inf")
    until: float = float("inf")
    keys: Vouching | None = None
    version: int = 0

    def admits(self, resource: str) -> bool:
        """Whether the token is meant for `resource`."""
        return self.everywhere or resource in self.audiences

    def holds(self, wall: float, now: float) -> bool:
        """Whether it may still be relied on; `wall` is Unix time, `now` monotonic."""
        if wall >= self.expires or now >= self.until:
            return False
        keys = self.keys
        return keys is None or (keys.version == self.version and (now < keys.due or keys.good(now)))


class Tokens:
    """By the full SHA-256 of what was presented: verified tokens, and for a short while refused ones."""

    __slots__ = ("_most", "_refused", "_verified")

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._verified)

    def find(self, digest: bytes, wall: float, now: float) -> Verified | None:
        """The verified token, if it still holds."""
        found = self._verified.get(digest)
        if found is None:
            return None
        if not found.holds(wall, now):
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return found

    def refusal(self, digest: bytes, now: float) -> str | None:
        """Why the token was refused a moment ago, None if it was not."""
        found = self._refused.get(digest)
        if found is None:
            return None
        if now >= found[0]:
            del self._refused[digest]
            return None
        return found[1]

    def remember(self, digest: bytes, verified: Verified) -> None:
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > self._most:
            self._verified.popitem(last=False)

    def remember_refusal(self, digest: bytes, reason: str, until: float) -> None:
        self._refused[digest] = (until, reason)
        self._refused.move_to_end(digest)
        if len(self._refused) > self._most:
            self._refused.popitem(last=False)
