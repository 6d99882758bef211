"""Who asks and what is acted upon, as Cedar entities.

The principal is always made from the verified identity, so it is never missing: a policy about an entity that is
not there would be skipped without an error. Ids and attributes are given in structured form and escaped by the
encoder; nothing of a caller becomes an entity reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.model import (
    ACCOUNT,
    ACTION,
    SERVER,
    TEAM,
    UPSTREAM,
    USER,
    PromptFacts,
    Subject,
    ToolFacts,
    Uid,
    groups_of,
)

MAX_TEAMS: Final = 1000
"""More teams than this are no membership list that a decision should be built on."""

MAX_TAGS: Final = 256
MAX_TAG_VALUES: Final = 1000
_ELSEWHERE: Final = "_claim_names"
"""Claims that a token only points to (OpenID Connect Core 1.0 §5.6.2): group lists that did not fit among them."""


class IncompleteIdentity(Exception):
    """What is known of the principal is not all there is, so that a policy about the rest would be skipped."""


def principal_uid(principal: Principal) -> Uid:
    """``User::"<issuer name>|<sub>"``, ``User::"anonymous"`` or ``VirtualAccount::"<name>"``."""
    if principal.kind == "virtual_account":
        return Uid(ACCOUNT, principal.subject)
    return Uid(USER, principal.id)


def principal_entity(principal: Principal) -> dict[str, Any]:
    """The principal's entity with its attributes, tags and teams. Raises `IncompleteIdentity`."""
    if _ELSEWHERE in principal.claims:
        raise IncompleteIdentity("the token leaves claims out and only points to them")
    if len(principal.teams) > MAX_TEAMS:
        raise IncompleteIdentity(f"the caller is in more than {MAX_TEAMS} teams")
    attributes: dict[str, Any] = {
        "subject": principal.subject,
        "issuer": principal.issuer,
        "scopes": sorted(principal.scopes),
    }
    if principal.email is not None:
        attributes["email"] = principal.email
    return {
        "uid": principal_uid(principal).json(),
        "attrs": attributes,
        "tags": _tags(principal.claims),
        "parents": [Uid(TEAM, team).json() for team in dict.fromkeys(principal.teams)],
    }


def resource_entity(subject: Subject) -> dict[str, Any]:
    """The entity of what is acted upon, in its upstream and in the virtual server addressed."""
    return {
        "uid": subject.resource.json(),
        "attrs": _attributes(subject.facts),
        "parents": [uid.json() for uid in (Uid(UPSTREAM, subject.upstream), Uid(SERVER, subject.server)) if uid.id],
    }


def action_entity(subject: Subject) -> dict[str, Any]:
    """The action with its groups. It has to be there: without it `action in` holds for nothing, and says nothing."""
    groups = groups_of(subject.upstream) if isinstance(subject.facts, ToolFacts) else ()
    parents = [Uid(ACTION, group).json() for group in groups]
    return {"uid": Uid(ACTION, subject.action).json(), "attrs": {}, "parents": parents}


def entities_text(principal: Principal, subjects: Sequence[Subject]) -> str:
    """All entities that questions of `principal` about `subjects` need, as Cedar reads them.

    Raises `IncompleteIdentity`.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entity in (
        principal_entity(principal),
        *(entity for subject in subjects for entity in (resource_entity(subject), action_entity(subject))),
    ):
        found.setdefault((entity["uid"]["type"], entity["uid"]["id"]), entity)
    return orjson.dumps(list(found.values())).decode()


def _attributes(facts: ToolFacts | PromptFacts | None) -> dict[str, Any]:
    if not isinstance(facts, ToolFacts):
        return {}
    return {
        "read_only": facts.read_only,
        "destructive": facts.destructive,
        "idempotent": facts.idempotent,
        "open_world": facts.open_world,
        "tags": list(facts.tags),
    }


def _tags(claims: Mapping[str, object]) -> dict[str, list[str]]:
    """Every claim as a set of strings. Raises `IncompleteIdentity` beyond the bounds: nothing is left out silently."""
    if len(claims) > MAX_TAGS:
        raise IncompleteIdentity(f"the token has more than {MAX_TAGS} claims")
    return {name: words for name, value in claims.items() if (words := _words(value)) is not None}


def _words(value: object) -> list[str] | None:
    """A claim as strings: a scalar is a set of one, an object has no form as a tag."""
    if isinstance(value, (list, tuple)):
        if len(value) > MAX_TAG_VALUES:
            raise IncompleteIdentity(f"a claim has more than {MAX_TAG_VALUES} values")
        words = [_word(item) for item in value]
        return [word for word in words if word is not None]
    word = _word(value)
    return None if word is None else [word]


def _word(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return None
