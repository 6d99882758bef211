"""Which keys a place in the configuration knows: read from the models, for hints and for documentation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from mcp_gateway.settings.nodes import Loc


def key_of(model: type[BaseModel], field: str) -> str:
    """How a file spells `field`."""
    alias = model.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else field


def known_keys(model: type[BaseModel], loc: Loc) -> frozenset[str]:
    """The keys of the section at `loc` under `model`. Names of union members in `loc` choose the member."""
    places: list[Any] = [model]
    for part in loc:
        places = _step(places, part)
    return frozenset(key_of(each, field) for each in _models(places) for field in each.model_fields)


def all_models(model: type[BaseModel]) -> tuple[type[BaseModel], ...]:
    """`model` and every section below it, each once, in the order in which they are met."""
    seen: dict[type[BaseModel], None] = {}
    waiting = [model]
    while waiting:
        each = waiting.pop(0)
        if each not in seen:
            seen[each] = None
            waiting.extend(_models(_contents([field.annotation for field in each.model_fields.values()])))
    return tuple(seen)


def _models(places: Iterable[Any]) -> Iterator[type[BaseModel]]:
    for place in places:
        for _, member in _members(place):
            if isinstance(member, type) and issubclass(member, BaseModel):
                yield member


def _contents(places: Iterable[Any]) -> Iterator[Any]:
    """The places and, for lists and mappings, what stands in them."""
    for place in places:
        for _, member in _members(place):
            inner = _inside(member)
            yield from (member,) if inner is None else _contents([inner])


def _step(places: Iterable[Any], part: str | int) -> list[Any]:
    members = [found for place in places for found in _members(place)]
    chosen = [member for tag, member in members if tag is not None and tag == part]
    return chosen or [inner for _, member in members if (inner := _below(member, part)) is not None]


def _below(member: Any, part: str | int) -> Any:
    if isinstance(member, type) and issubclass(member, BaseModel):
        for name, field in member.model_fields.items():
            if part in (name, key_of(member, name)):
                return field.annotation
        return None
    return _inside(member)


def _inside(member: Any) -> Any:
    """The type of the items of a list or of the values of a mapping, None for anything else."""
    origin, arguments = get_origin(member), get_args(member)
    if origin is tuple:
        return arguments[0]
    return arguments[1] if origin is Mapping else None


def _members(place: Any, tag: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """The members of a union with their tags; a type that is no union is its own only member."""
    origin, arguments = get_origin(place), get_args(place)
    if origin is Annotated:
        given = next((each.tag for each in arguments[1:] if isinstance(each, Tag)), tag)
        yield from _members(arguments[0], given)
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from _members(each, _literal(each))
    else:
        yield tag, place


def _literal(place: Any) -> str | None:
    """The constant `type` of a union member that is told apart by it."""
    if not isinstance(place, type) or not issubclass(place, BaseModel) or "type" not in place.model_fields:
        return None
    return str(get_args(place.model_fields["type"].annotation)[0])
