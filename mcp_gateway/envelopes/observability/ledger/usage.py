"""What was used since some hour, summed by whatever the ledger knows. Read from the sums of hours, not from entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, case, func, select, text

from mcp_gateway.core.metadata import is_key
from mcp_gateway.core.state.database import Database
from mcp_gateway.core.state.tables import SPEND
from mcp_gateway.envelopes.observability.ledger.rows import HOUR

METADATA: Final = "metadata."
"""Before a key of metadata that is also the name of something built in."""

_HOURS: Final = 24

_BUILT_IN: Final[Mapping[str, ColumnElement[Any]]] = MappingProxyType(
    {
        "principal": SPEND.c.principal,
        "teams": SPEND.c.teams,
        "model": case((SPEND.c.plane == "llm", SPEND.c.asked)),
        "tool": case((SPEND.c.plane == "mcp", SPEND.c.target)),
        "target": SPEND.c.target,
        "provider": SPEND.c.provider,
        "server": SPEND.c.server,
        "plane": SPEND.c.plane,
        "status": SPEND.c.status,
        "day": SPEND.c.hour // _HOURS,
    }
)
BUILT_IN: Final = ("team", *_BUILT_IN)
"""What can be grouped by besides keys of metadata. `team` is the metadata's, else the teams of the identity."""

_SUMS: Final = ("requests", "attempts", "input", "output", "cost", "unpriced")


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one group. `requests` counts those that ended there, `attempts` all; `cost` is in nanodollars, and that of
    `unpriced` attempts is not known."""

    requests: int = 0
    attempts: int = 0
    input: int = 0
    output: int = 0
    cost: int = 0
    unpriced: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, name) + getattr(other, name) for name in _SUMS))


@dataclass(frozen=True, slots=True)
class Group:
    """`keys` are the values of what was grouped by, in its order; None where there is none."""

    keys: tuple[str | None, ...]
    sums: Sums


@dataclass(frozen=True, slots=True)
class _Part:
    """What is grouped by for a key: columns, and how their values are shown as one."""

    columns: tuple[ColumnElement[Any], ...]
    show: Callable[..., str | None]


class UnknownKey(ValueError):
    """There can be no such key."""


class TooMany(ValueError):
    """There are more groups than were wanted."""


def since_hour(seconds: float) -> float:
    """The beginning of the hour that a moment is in: what sums of hours can be asked for."""
    return seconds // HOUR * HOUR


async def usage(
    database: Database,
    *,
    tenant: str,
    by: Sequence[str],
    since: float,
    until: float | None = None,
    most: int | None = None,
) -> list[Group]:
    """What was used since the hour that `since` (Unix seconds) is in, the most expensive first.

    With `until`, up to the end of the hour in which the moment before it is. `most` is how many groups may be there.
    Raises `UnknownKey`, `TooMany`, `IdentityUnavailable`.
    """
    parts = [_part(key) for key in by]
    columns = [column for part in parts for column in part.columns]
    query = select(*columns, *(func.sum(SPEND.c[name]) for name in _SUMS))
    query = query.where(SPEND.c.tenant == tenant, SPEND.c.hour >= int(since // HOUR))
    if until is not None:
        query = query.where(SPEND.c.hour < math.ceil(until / HOUR))
    if most is not None:
        query = query.limit(most + 1)
    # By position: to PostgreSQL an expression with a parameter is another one when it is written twice.
    query = query.group_by(*(text(str(position)) for position in range(1, len(columns) + 1)))
    found = await database.read(lambda on: on.execute(query))
    rows = found.all()
    if most is not None and len(rows) > most:
        raise TooMany(f"more than {most} groups")
    groups: dict[tuple[str | None, ...], Sums] = {}
    for row in rows:
        values = iter(row)
        keys = tuple(part.show(*(next(values) for _ in part.columns)) for part in parts)
        # Without groups there is one row, of nothing where there is nothing.
        sums = Sums(*(int(value or 0) for value in values))
        if sums.attempts:
            groups[keys] = groups.get(keys, Sums()) + sums
    return [Group(keys, groups[keys]) for keys in sorted(groups, key=lambda keys: _order(keys, groups[keys]))]


def _order(keys: tuple[str | None, ...], sums: Sums) -> tuple[Any, ...]:
    return (-sums.cost, -sums.input - sums.output, -sums.requests, [key or "" for key in keys])


def _part(key: str) -> _Part:
    if key == "team":
        team = _metadata("team")
        return _Part((*team.columns, SPEND.c.teams), lambda own, teams: _shown_team(team.show(own), teams))
    if key in _BUILT_IN:
        return _Part((_BUILT_IN[key],), _SHOWN.get(key, _shown))
    name = key.removeprefix(METADATA)
    if not is_key(name):
        raise UnknownKey(key)
    return _metadata(name)


def _metadata(name: str) -> _Part:
    if '"' in name or "\\" in name:
        # SQLite has no way to quote these in a path.
        return _Part((SPEND.c.metadata,), lambda found: _shown(found.get(name)))
    return _Part((SPEND.c.metadata[name].as_string(),), _shown)


def _shown(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _shown_day(day: int) -> str:
    return datetime.fromtimestamp(day * _HOURS * HOUR, UTC).date().isoformat()


def _shown_teams(teams: str) -> str | None:
    return ",".join(orjson.loads(teams)) or None


_SHOWN: Final[Mapping[str, Callable[..., str | None]]] = MappingProxyType({"day": _shown_day, "teams": _shown_teams})


def _shown_team(own: str | None, teams: str) -> str | None:
    return own or _shown_teams(teams)
