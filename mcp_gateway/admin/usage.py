"""The control plane's view of what was used and what it cost: the numbers of `mcp-gateway usage`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import FastAPI, Query

from mcp_gateway.admin.control import Control
from mcp_gateway.admin.cursors import BadCursor, decode, encode
from mcp_gateway.admin.figures import figures, shown, total
from mcp_gateway.admin.moments import moment, written
from mcp_gateway.admin.queries import By, Cursor, Since, Until, keys_of
from mcp_gateway.admin.shapes import Problem, Usage, Used, UsedTotal
from mcp_gateway.envelopes.observability.ledger.usage import BUILT_IN, UnknownKey, since_hour

MOST: Final = 1000
"""Groups of a page."""

MOST_GROUPS: Final = 10_000
"""Groups that there may be in all: they are sorted here."""

MOST_KEYS: Final = 8

_KIND: Final = "usage"
_DEFAULT: Final = "team"
_LATEST: Final = 1 << 40


def usage_routes(app: FastAPI, control: Control) -> None:
    """Add them to `app`."""

    @app.get(
        "/api/usage",
        tags=["usage"],
        summary="Requests, tokens and costs, by whatever requests say about themselves",
        description=f"`group_by`: keys of metadata, or {', '.join(BUILT_IN)}; metadata.KEY for a key that is both.",
        responses={
            400: {"model": Problem, "description": "A key, a cursor or a time that means nothing"},
            422: {"model": Problem, "description": "Too many groups, or a parameter out of bounds"},
            503: {"model": Problem, "description": "The database cannot be asked now"},
        },
    )
    async def usage(
        group_by: By = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        cursor: Cursor = None,
    ) -> Usage:
        keys = keys_of(group_by, _DEFAULT)
        if not 0 < len(keys) <= MOST_KEYS:
            raise UnknownKey(",".join(keys))
        begin, end, at = _window(since, until) if cursor is None else _gone_on(cursor)
        groups = await control.usage(keys, since=begin, until=end, most=MOST_GROUPS)
        page = groups[at : at + limit]
        after = at + len(page)
        return Usage(
            by=list(keys),
            since=written(begin),
            until=None if end is None else written(end),
            items=[Used(**shown(keys, each)) for each in page],
            next=encode(_KIND, [begin, end, after]) if after < len(groups) else None,
            total=UsedTotal(**figures(total(groups))),
        )


def _window(since: str | None, until: str | None) -> tuple[float, float | None, int]:
    begin = since_hour(moment(since or "7d"))
    return begin, None if until is None else max(begin, moment(until)), 0


def _gone_on(cursor: str) -> tuple[float, float | None, int]:
    found: Any = decode(_KIND, cursor)
    if not isinstance(found, list) or len(found) != 3:
        raise BadCursor
    begin, end, at = found
    if type(at) is not int or not all(type(each) in (int, float) and 0 <= each < _LATEST for each in (begin, at)):
        raise BadCursor
    if end is not None and not (type(end) in (int, float) and 0 <= end < _LATEST):
        raise BadCursor
    return float(begin), None if end is None else float(end), at
