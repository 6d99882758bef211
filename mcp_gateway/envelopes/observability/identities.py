"""Who made recorded calls, written once instead of with every call: facts that decisions were made of, by a digest.

No credential is among them: a token's own members (RFC 7519 §4.1, OpenID Connect Core) are left out, since they
name the token and not the person. Which of the other claims are written is said by whoever makes the facts.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from mcp_gateway.core.principal import Principal

REMIND_SECONDS: Final = 600.0
"""How often the facts are written again, so that each file of a record that is cut into files has them."""

MAX_REMEMBERED: Final = 4096
"""Most identities of which it is known when they were written."""

MAX_CLAIM: Final = 4096
"""Most bytes of one claim as JSON; a longer one is left out like one that nobody reads."""

_OF_THE_TOKEN: Final = frozenset(
    {"jti", "iat", "exp", "nbf", "nonce", "at_hash", "c_hash", "s_hash", "sid", "cnf", "auth_time", "uti", "rh", "aio"}
)


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """What is recorded of a principal; `digest` stands for it in the record of each call."""

    digest: str
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, principal: Principal, claims: frozenset[str]) -> IdentityFacts:
        """Of the claims those called `claims` are written, of the others the names only."""
        written: dict[str, Any] = {}
        named: list[str] = []
        for name, value in sorted(principal.claims.items()):
            if name in claims and name not in _OF_THE_TOKEN and _small(value):
                written[name] = value
            else:
                named.append(name)
        facts = {
            "principal": principal.id,
            "kind": principal.kind,
            "subject": principal.subject,
            "issuer": principal.issuer,
            "email": principal.email,
            "teams": list(principal.teams),
            "scopes": sorted(principal.scopes),
            "client_id": principal.client_id,
            "actors": list(principal.actors),
            "claims": written,
            "claims_not_recorded": named,
        }
        clean = {name: _clean(value) for name, value in facts.items()}
        return cls(sha256(orjson.dumps(clean, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24], clean)


def _clean(value: Any) -> Any:
    """`value` with what a terminal acts on, or what is no text, escaped in its strings."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(name): _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value


def printable(text: str) -> str:
    """`text` with everything that is not printable escaped, as in Python's own string literals."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _small(value: object) -> bool:
    try:
        return len(orjson.dumps(value)) <= MAX_CLAIM
    except (TypeError, ValueError):
        return False


class Introduced:
    """Which identities were written lately."""

    __slots__ = ("_clock", "_written")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: OrderedDict[str, float] = OrderedDict()

    def due(self, digest: str) -> bool:
        """Whether the facts are to be written now; taken as done then."""
        now = self._clock()
        written = self._written.get(digest)
        if written is not None and now - written < REMIND_SECONDS:
            return False
        self._written[digest] = now
        self._written.move_to_end(digest)
        if len(self._written) > MAX_REMEMBERED:
            self._written.popitem(last=False)
        return True
