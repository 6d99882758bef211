"""The control plane's view of what was refused, and why: counted from the record, by what refusals have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query

from mcp_gateway.admin.cursors import BadCursor, decode, encode
from mcp_gateway.admin.decided import REFUSAL_KEYS, Filter, Tally, tally
from mcp_gateway.admin.faults import UNREADABLE
from mcp_gateway.admin.lookups import Lookups
from mcp_gateway.admin.moments import moment, written
from mcp_gateway.admin.queries import By, Cursor, Since, Until, keys_of
from mcp_gateway.admin.shapes import Refusals, Refused
from mcp_gateway.envelopes.observability.audit.backwards import Walk, Wanted
from mcp_gateway.envelopes.observability.audit.find import Fields
from mcp_gateway.envelopes.observability.ledger.usage import UnknownKey

LOOK: Final = 100_000
"""Lines of the record that are looked at; the answer says so where there are more."""

MOST: Final = 500

_KIND: Final = "refusals"
_DEFAULT: Final = "reason,server,tool,policy,limit"
_MOST_GROUPS: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class _Window:
    """The times between which refusals are counted, and at which group a page begins."""

    since: str
    until: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class _Counted:
    groups: Sequence[tuple[tuple[str | None, ...], Tally]]
    complete: bool
    reached: str | None


def refusal_routes(app: FastAPI, lookups: Lookups) -> None:
    """Add them to `app`."""

    @app.get(
        "/api/refusals",
        tags=["decisions"],
        summary="What was refused most, by reason, server, tool, policy, limit and so on",
        responses=dict(UNREADABLE),
    )
    async def refusals(
        by: By = None,
        since: Since = None,
        until: Until = None,
        server: Annotated[str | None, Query(max_length=512)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
        cursor: Cursor = None,
    ) -> Refusals:
        keys = keys_of(by, _DEFAULT)
        for key in keys:
            if key not in REFUSAL_KEYS:
                raise UnknownKey(key)
        window = _window(since, until) if cursor is None else _gone_on(cursor)
        wanted = Filter(server=server, outcome="refused")
        found = await lookups.run(_counting(wanted, window, keys))
        shown = found.groups[window.at : window.at + limit]
        end = window.at + len(shown)
        more = end < len(found.groups)
        return Refusals(
            items=[_refused(keys, values, each) for values, each in shown],
            next=encode(_KIND, [window.since, window.until, end]) if more else None,
            total=sum(each.count for _, each in found.groups),
            since=window.since,
            until=window.until,
            complete=found.complete,
            reached=found.reached,
        )


def _window(since: str | None, until: str | None) -> _Window:
    """By default the last hour. The end is a fixed moment, so that all pages count the same."""
    end = time.time() + 0.001 if until is None else moment(until)
    return _Window(written(moment(since or "1h")), written(end))


def _gone_on(cursor: str) -> _Window:
    found: Any = decode(_KIND, cursor)
    if not isinstance(found, list) or len(found) != 3:
        raise BadCursor
    since, until, at = found
    if not isinstance(since, str) or not isinstance(until, str) or type(at) is not int or not 0 <= at < _MOST_GROUPS:
        raise BadCursor
    return _Window(written(moment(since)), written(moment(until)), at)


def _counting(wanted: Filter, window: _Window, keys: Sequence[str]) -> Callable[[Path], _Counted]:
    asked = Wanted(needles=wanted.needles(), fits=wanted.fits, since=window.since, until=window.until)

    def look(path: Path) -> _Counted:
        reached: str | None = None

        def noted(walk: Walk) -> Any:
            nonlocal reached
            for fields in walk:
                reached = _time(fields)
                yield fields

        with Walk(path, asked, look=LOOK) as walk:
            found = tally(noted(walk), keys)
            complete = not walk.below
        groups = sorted(found.items(), key=lambda each: (-each[1].count, [value or "" for value in each[0]]))
        return _Counted(groups, complete, reached)

    return look


def _time(fields: Fields) -> str:
    return str(fields.get("time", ""))


def _refused(keys: Sequence[str], values: Sequence[str | None], each: Tally) -> Refused:
    named = dict(zip(keys, values, strict=True))
    return Refused(keys=named, count=each.count, last=each.last, request_id=each.request_id)
