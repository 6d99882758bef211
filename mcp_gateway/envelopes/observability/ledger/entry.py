"""One entry of the ledger, and how it is written down. Pure but for the clock and the dice of `entry_id`."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from mcp_gateway.core.metadata import NO_METADATA

Plane = Literal["mcp", "llm"]

_VERSION: Final = 1
_MAX_TEXT: Final = 512
_MAX_TEAMS: Final = 50
"""The first of them, in order: an entry has to fit into a record of the spool, whatever its identity is in."""

_MAX_COUNT: Final = 10**12
_MAX_COST: Final = 10**14
"""Of one entry, whatever a provider says: a database adds up as many as there will be."""


def entry_id() -> str:
    """A new id: in order of time, so that indexes grow at their end, and never twice."""
    # They are nobody's secret: the system's dice would cost a call of it.
    return f"{time.time_ns() // 1000:014x}{random.getrandbits(72):018x}"


class Entry(NamedTuple):
    """One attempt at a provider (`llm`), or one tool call (`mcp`).

    `id` is from `entry_id`, `at` is in Unix seconds. `server` is the virtual server, or the dialect that the client
    spoke. `asked` is what the client asked for: the model's or the tool's name as it knows it; `target` is what that
    came to, `provider/model` or `upstream/tool`, and `provider` the one before the slash. `attempt` counts from 1;
    `last` is true for the one that the request ended with. `status` is `ok` or the reason that an error or the audit
    record has. `cost` is in nanodollars, None if the price is not known: it counts as nothing, and is told apart.
    `seconds` is how long it took.
    """

    id: str
    at: float
    request_id: str
    plane: Plane
    principal: str
    server: str
    asked: str
    target: str
    provider: str
    teams: tuple[str, ...] = ()
    attempt: int = 1
    last: bool = True
    status: str = "ok"
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost: int | None = 0
    seconds: float = 0.0
    snapshot: str = ""
    metadata: Mapping[str, str] = NO_METADATA


def write_entry(entry: Entry) -> bytes:
    """The entry as JSON. Texts are cut and cleaned, numbers brought into bounds: every database takes every entry."""
    (
        id, at, request_id, plane, principal, server, asked, target, provider, teams, attempt, last, status,
        input, output, cache_read, cache_write, reasoning, cost, seconds, snapshot, metadata,
    ) = entry  # fmt: skip
    request_id, principal, server, asked, target, provider, status, snapshot, id = _texts(
        (request_id, principal, server, asked, target, provider, status, snapshot, id)
    )
    return orjson.dumps(
        {
            "v": _VERSION,
            "id": id,
            "at": _seconds(at),
            "request_id": request_id,
            "plane": plane,
            "principal": principal,
            # One text for one set of teams, so that it can be grouped by.
            "teams": orjson.dumps(sorted(_texts(teams))[:_MAX_TEAMS]).decode() if teams else "[]",
            "server": server,
            "asked": asked,
            "target": target,
            "provider": provider,
            "attempt": _count(attempt),
            "last": int(last),
            "status": status,
            "input": _count(input),
            "output": _count(output),
            "cache_read": _count(cache_read) if cache_read else 0,
            "cache_write": _count(cache_write) if cache_write else 0,
            "reasoning": _count(reasoning) if reasoning else 0,
            "cost": None if cost is None else _count(cost, _MAX_COST),
            "seconds": _seconds(seconds),
            "snapshot": snapshot,
            "metadata": _metadata(metadata) if metadata else {},
        }
    )


def _metadata(given: Mapping[str, str]) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in given.items()}


def read_entry(payload: bytes) -> dict[str, Any] | None:
    """The row that `write_entry` wrote, all but the tenant; None if it is of a version that is not known here."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or found.pop("v", None) != _VERSION:
        return None
    return found


def _texts(texts: Collection[str]) -> Collection[str]:
    """Each as `_text` has it. Nearly all of them are well: all at once, that costs no more than to look at one."""
    together = "".join(texts)
    return texts if len(together) <= _MAX_TEXT and together.isprintable() else tuple(map(_text, texts))


def _text(text: str) -> str:
    """Without control characters and lone surrogates, which databases refuse."""
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT]
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _count(number: int, most: int = _MAX_COUNT) -> int:
    return number if 0 <= number <= most else min(max(number, 0), most)


def _seconds(number: float) -> float:
    return number if math.isfinite(number) else 0.0
