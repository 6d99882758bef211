"""The control plane's view of what was decided: from the record alone, of both planes.

Whoever has the role `roles.SEES_ALL` sees everybody's decisions, with the bodies that are recorded. Others see their
own, without: request ids can be guessed, so one by its id shows no more than the list does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse

from mcp_gateway.admin.cursors import BadCursor, decode, encode
from mcp_gateway.admin.decided import Filter, decision, without_bodies
from mcp_gateway.admin.explain.look import story_of
from mcp_gateway.admin.explain.story import Story, facts
from mcp_gateway.admin.faults import UNREADABLE, NotYours, problem
from mcp_gateway.admin.guard import CALLER
from mcp_gateway.admin.lookups import Lookups
from mcp_gateway.admin.moments import moment, written
from mcp_gateway.admin.queries import Cursor, Since, Until
from mcp_gateway.admin.roles import SEES_ALL, Caller
from mcp_gateway.admin.shapes import Decision, Listed, Problem, StoryShape
from mcp_gateway.envelopes.observability.audit.backwards import Walk, Wanted
from mcp_gateway.envelopes.observability.audit.find import Fields

MOST: Final = 500
"""Items of a page."""

LOOK: Final = 50_000
"""Lines of the record that are looked at for a page; it is given then, however few it has."""

_KIND: Final = "decisions"
_CHAIN: Final = re.compile(r"[0-9A-Za-z._-]{1,128}")
_MOST_CHAINS: Final = 1000

_Word = Annotated[str | None, Query(max_length=512)]
_Id = Annotated[str, Path(pattern=r"^[0-9A-Za-z._:-]{1,64}$", description="What `X-Request-Id` said.")]


@dataclass(frozen=True, slots=True)
class _Page:
    records: Sequence[Fields]
    below: Mapping[str, int]


def decision_routes(app: FastAPI, lookups: Lookups) -> None:
    """Add them to `app`."""

    @app.get(
        "/api/decisions",
        tags=["decisions"],
        summary="What became of requests, the newest first",
        responses={**UNREADABLE, 403: {"model": Problem, "description": "Somebody else's decisions"}},
    )
    async def decisions(
        request: Request,
        server: _Word = None,
        principal: _Word = None,
        upstream: _Word = None,
        outcome: _Word = None,
        reason: _Word = None,
        since: Since = None,
        until: Until = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        cursor: Cursor = None,
    ) -> Listed[Decision]:
        asked = Filter(server=server, principal=principal, upstream=upstream, outcome=outcome, reason=reason)
        mine = _own(asked, request.scope[CALLER])
        wanted = Wanted(needles=mine.needles(), fits=mine.fits, since=_bound(since), until=_bound(until))
        found = await lookups.run(_reading(wanted, limit, None if cursor is None else _places(cursor)))
        items = [Decision(**decision(each)) for each in found.records]
        return Listed(items=items, next=encode(_KIND, dict(found.below)) if found.below else None)

    @app.get(
        "/api/decisions/{request_id}",
        tags=["decisions"],
        summary="The whole story of one request",
        response_model=StoryShape,
        responses={**UNREADABLE, 404: {"model": Problem, "description": "The record does not know it"}},
    )
    async def story(request: Request, request_id: _Id) -> JSONResponse:
        caller: Caller = request.scope[CALLER]
        found = await lookups.run(lambda path: story_of(path, request_id))
        shown = None if found is None else _shown(found, caller)
        if shown is None:
            return problem(404, "the record does not know this request", "unknown_request")
        return JSONResponse(shown)


def _own(asked: Filter, caller: Caller) -> Filter:
    """What `caller` may see of what is asked for. Raises `NotYours`."""
    if caller.sees_all:
        return asked
    if asked.principal not in (None, caller.principal):
        raise NotYours(SEES_ALL.word)
    return replace(asked, principal=caller.principal)


def _shown(story: Story, caller: Caller) -> dict[str, Any] | None:
    """The story as `caller` may see it; None where it is not theirs."""
    if caller.sees_all:
        return facts(story)
    if any(each.get("principal") != caller.principal for each in story.records):
        return None
    steps = [step for step in story.steps if step[0] != "Body"]
    return facts(replace(story, steps=steps, records=without_bodies(story.records)))


def _reading(wanted: Wanted, most: int, below: Mapping[str, int] | None) -> Callable[[FilePath], _Page]:
    def look(path: FilePath) -> _Page:
        with Walk(path, wanted, look=LOOK, below=below) as walk:
            records = list(islice(walk, most))
            return _Page(records, walk.below)

    return look


def _bound(text: str | None) -> str:
    return "" if text is None else written(moment(text))


def _places(cursor: str) -> Mapping[str, int]:
    """Where each chain goes on. A name is compared with those that there are, and never made a path of."""
    found = decode(_KIND, cursor)
    if not isinstance(found, dict) or not 0 < len(found) <= _MOST_CHAINS:
        raise BadCursor
    for name, below in found.items():
        if not _CHAIN.fullmatch(name) or type(below) is not int or not 0 <= below < 1 << 63:
            raise BadCursor
    return found
