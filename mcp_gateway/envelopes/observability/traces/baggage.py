"""W3C Baggage: what callers say along a trace, read within its limits, and passed on only as far as it is asked for.

Anybody can put anything into it, and whatever it is passed on to sees it. So nothing is taken that the configuration
does not name. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mcp_gateway.core.call import Trail
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.context import BAGGAGE
from mcp_gateway.envelopes.observability.traces.span import Value, text

MOST_BYTES: Final = 8192
MOST_MEMBERS: Final = 64
"""What everybody has to take (Baggage §3.3.2). Of more nothing is taken: half of it could mean something else."""

NOTE: Final = "baggage"
"""Where what was taken stands on a trail."""

KEY: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}"
_MEMBER: Final = re.compile(
    rf"[ \t]*({KEY})[ \t]*=[ \t]*([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*)[ \t]*(?:;[\x20-\x7e\t]*)?"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of a request's baggage: `passed` goes on to upstreams and providers, a header's value or empty."""

    passed: str
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The keys that go on to upstreams and providers, and those that become attributes of the request's span."""

    forward: frozenset[str]
    attributes: frozenset[str]

    def of(self, headers: Mapping[str, Sequence[str]], meta: object = None) -> Taken | None:
        """What is taken of a request; of one that has baggage in its ``_meta`` too, of that alone (SEP-414)."""
        given: object = meta.get(BAGGAGE) if isinstance(meta, dict) else None
        found = read(",".join(headers.get(BAGGAGE, ())) if given is None else given)
        if not found:
            return None
        passed = ",".join(f"{key}={value}" for key, value in found.items() if key in self.forward)
        attributes = {
            names.BAGGAGE + key: text(unquote(value, errors="replace"))
            for key, value in found.items()
            if key in self.attributes
        }
        return Taken(passed, attributes) if passed or attributes else None


def read(value: object) -> Mapping[str, str]:
    """The members by their keys, values as they came (percent-encoded), properties left out.

    A member that breaks the grammar is as if it had not been sent; of two with one key the later counts.
    """
    if type(value) is not str or not value or len(value) > MOST_BYTES:
        return {}
    members = value.split(",")
    if len(members) > MOST_MEMBERS:
        return {}
    found = (_MEMBER.fullmatch(member) for member in members)
    return {each[1]: each[2] for each in found if each is not None}


def passed_on(trail: Trail) -> str:
    """What of a request's baggage goes on to others; empty for nothing."""
    taken = trail.notes.get(NOTE)
    return taken.passed if isinstance(taken, Taken) else ""
