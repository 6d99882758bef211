"""Every text of a JSON value that is a message, with the way to it. Pure.

Nothing is left out for being unknown: keys, numbers that are long enough to say something, text inside base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.strictjson import JsonError
from mcp_gateway.envelopes.safety.content import Carrier, line
from mcp_gateway.envelopes.safety.grammar import Grammar, Handling

Way = tuple[str | int, ...]
"""Keys and indices that lead from a message to one of its values; `INSIDE` leads into the JSON that a text is."""

INSIDE: Final = -1

_Waiting = list[tuple[str, object, Handling]]
"""Objects and lists that are still to be gone through, with the key that each stands under and its handling."""

_LONG_NUMBER: Final = 10_000_000
"""From eight digits on a number may be somebody's: of a card, an account, a telephone."""

_COSTLY: Final = b"0123456789@%&\\" + bytes(range(0x80, 0x100))
_HEAVY: Final = 7
"""Numbers, escapes and what is not ASCII are made out one by one: a character takes detectors up to 4 µs, many times as
long as one of prose, over which expressions pass."""

_SHORT: Final = 16
_SHORT_HEAVY: Final = 3
"""A text with fewer characters is not weighed, which would take longer than a look at it: each counts as so many."""

_RAW: Final = 512
"""What is no text as base64 and has fewer characters is looked at as it is written too: it may be no base64 at all."""

_FREE: Final = Handling.FREE
_PARTS: Final = Handling.PARTS
_NAMED: Final = Handling.NAMED
"""By names of this module: of an enumeration a member is looked up at a cost, and one is for each text."""

_WRITTEN: Final = (_FREE, Handling.TEXT, Handling.FIXED, _PARTS, _NAMED)
_ENCODED: Final = (Handling.BINARY, Handling.ADDRESS, Handling.JSON)
"""Whether a text is looked at as it is written, or what it stands for. The most frequent come first."""

_DATA: Final = re.compile(r"\s*data:[^,]{0,256};base64,", re.IGNORECASE)
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e\t\r\n]{8,}")


@dataclass(frozen=True, slots=True)
class Place:
    """A carrier and where it stands. `encoded`: its text is the UTF-8 of the base64 that stands there."""

    carrier: Carrier
    way: Way
    encoded: bool = False


def places(message: Mapping[str, Any], grammar: Grammar) -> Iterator[Place]:
    """The places of all texts of `message`: a request or an answer, without an envelope."""
    for key, value in message.items():
        if key not in grammar.opaque:
            yield from _field(message, key, value, (), grammar)


def lines(message: Mapping[str, Any], grammar: Grammar) -> Iterator[str]:
    """The same texts, each with its key before it, in any order, and some keys that nobody has to look at.

    No place is made for any of them: most messages are clean, and of those nobody asks where anything stands. What is
    written in a message most often is said right here: a call would take as long as all the rest for it.
    """
    if not grammar.opaque.isdisjoint(message):
        message = {key: value for key, value in message.items() if key not in grammar.opaque}
    waiting: _Waiting = [("", message, _PARTS)]
    while waiting:
        name, holder, of = waiting.pop()
        if isinstance(holder, dict):
            for key, value in holder.items():
                # A word of the protocol is no text.
                known = grammar.handling(holder, key) if of is _PARTS else None
                if known is None and (type(value) is not str or not key.isidentifier()):
                    yield key
                handling = known or (_PARTS if of is _NAMED else _FREE)
                if type(value) is str and handling in _WRITTEN:
                    yield f"{key}: {value}"
                else:
                    yield from _line(key, value, handling, waiting)
        elif isinstance(holder, list):
            for value in holder:
                if type(value) is str and of in _WRITTEN:
                    yield f"{name}: {value}"
                else:
                    yield from _line(name, value, of, waiting)


def weight(text: str) -> int:
    """How long detectors take for `text` at most, counted in characters of which nothing has to be made out."""
    if len(text) < _SHORT:
        return _SHORT_HEAVY * len(text)
    return len(text) + _HEAVY * _costly(text)


def small(message: object, *, nodes: int, characters: int) -> bool:
    """Whether `message` has no more values than that, and all its texts weigh no more than so many plain characters.

    Looks at no more than it must.
    """
    waiting: list[Any] = [[message]]
    weighed: list[str] = []
    nodes += 1
    while waiting:
        holder = waiting.pop()
        nodes -= len(holder)
        if nodes < 0:
            return False
        for value in holder.values() if type(holder) is dict else holder:
            kind = type(value)
            if kind is str:
                size = len(value)
                if size < _SHORT:
                    characters -= _SHORT_HEAVY * size
                else:
                    characters -= size
                    weighed.append(value)
            elif kind is dict or kind is list:
                waiting.append(value)
        if characters < 0:
            return False
    # They are as heavy together as each by itself, and weighed once.
    return _costly("".join(weighed)) * _HEAVY <= characters


def _costly(text: str) -> int:
    """How many bytes of it are to be made out one by one."""
    raw = text.encode(errors="replace")
    return len(raw) - len(raw.translate(None, _COSTLY))


def rewritten(message: dict[str, Any], changes: Mapping[Way, str]) -> dict[str, Any]:
    """`message` with other texts in these places; what does not change is shared."""
    changed: dict[str, Any] = _changed(message, changes)
    return changed


def _changed(message: Any, changes: Mapping[Way, str]) -> Any:
    changed = message.copy()
    copied: dict[Way, Any] = {(): changed}
    for way, text in _outside(message, changes).items():
        holder: Any = changed
        for depth, step in enumerate(way[:-1], 1):
            here = way[:depth]
            if here not in copied:
                copied[here] = holder[step] = holder[step].copy()
            holder = copied[here]
        holder[way[-1]] = text
    return changed


def _outside(message: Any, changes: Mapping[Way, str]) -> Mapping[Way, str]:
    """The same changes, those inside of JSON as changes of the texts that it stands in."""
    plain: dict[Way, str] = {}
    inside: dict[Way, dict[Way, str]] = {}
    for way, text in changes.items():
        if INSIDE in way:
            cut = way.index(INSIDE)
            inside.setdefault(way[:cut], {})[way[cut + 1 :]] = text
        else:
            plain[way] = text
    for way, within in inside.items():
        held = message
        for step in way:
            held = held[step]
        plain[way] = strictjson.dumps(_changed(_parsed(held), within)).decode()
    return plain


def _line(name: str, value: object, handling: Handling, waiting: _Waiting) -> Iterable[str]:
    """The lines of a value that is not an object or a list: those wait."""
    if isinstance(value, (dict, list)):
        waiting.append((name, value, handling))
    elif isinstance(value, str):
        return (f"{name}: {value}",) if handling in _WRITTEN else _encoded_line(name, value, handling, waiting)
    elif type(value) is int and not -_LONG_NUMBER < value < _LONG_NUMBER:
        return (f"{name}: {value}",)
    return ()


def _encoded_line(name: str, value: str, handling: Handling, waiting: _Waiting) -> Iterable[str]:
    if handling is not Handling.JSON:
        return (line(place.carrier) for place in _encoded(value, (), name, handling))
    inside = _parsed(value)
    if inside is None:
        return (f"{name}: {value}",)
    waiting.append((name, inside, _FREE))
    return ()


def _field(holder: Mapping[str, Any], key: str, value: object, way: Way, grammar: Grammar) -> Iterator[Place]:
    """One field of an object of the protocol."""
    handling = grammar.handling(holder, key)
    if handling is None:
        yield Place(Carrier(key, key, fixed=True), way)
        handling = Handling.FREE
    yield from _value(value, (*way, key), key, handling, grammar)


def _value(value: object, way: Way, name: str, handling: Handling, grammar: Grammar) -> Iterator[Place]:
    if isinstance(value, str):
        inside = _parsed(value) if handling is Handling.JSON else None
        if inside is not None:
            yield from _value(inside, (*way, INSIDE), name, Handling.FREE, grammar)
        elif handling in _ENCODED:
            yield from _encoded(value, way, name, handling)
        else:
            yield Place(Carrier(value, name, fixed=handling is Handling.FIXED), way)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _value(each, (*way, index), name, handling, grammar)
    elif isinstance(value, dict):
        yield from _object(value, way, handling, grammar)
    elif type(value) is int and not -_LONG_NUMBER < value < _LONG_NUMBER:
        yield Place(Carrier(str(value), name, fixed=True), way)


def _object(value: dict[str, Any], way: Way, handling: Handling, grammar: Grammar) -> Iterator[Place]:
    match handling:
        case Handling.PARTS:
            for key, each in value.items():
                yield from _field(value, key, each, way, grammar)
        case Handling.NAMED:
            for key, each in value.items():
                yield Place(Carrier(key, key, fixed=True), way)
                yield from _value(each, (*way, key), key, Handling.PARTS, grammar)
        case _:  # free, or an object where the protocol has none
            for key, each in value.items():
                yield Place(Carrier(key, key, fixed=True), way)
                yield from _value(each, (*way, key), key, Handling.FREE, grammar)


def _encoded(value: str, way: Way, name: str, handling: Handling) -> Iterator[Place]:
    """The texts in a text of which what it stands for is looked at, and not as it is written."""
    if handling is Handling.BINARY:
        yield from _binary(value, way, name)
        return
    if handling is Handling.JSON:
        yield Place(Carrier(value, name), way)
        return
    held = _DATA.match(value)
    if held is None:
        yield Place(Carrier(value, name, fixed=True), way)
        return
    # What is in it is not rewritten: its media type says that it is something else than text.
    for place in _binary(value[held.end() :], way, name):
        yield Place(Carrier(place.carrier.text, name, fixed=True), way)


def _parsed(value: str) -> dict[str, Any] | list[Any] | None:
    """The object or list that `value` is in JSON; None if it is no such thing."""
    if not value.lstrip().startswith(("{", "[")):
        return None
    try:
        found = strictjson.loads(value.encode())
    except (JsonError, UnicodeEncodeError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _binary(value: str, way: Way, name: str) -> Iterator[Place]:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        yield Place(Carrier(value, name, fixed=True), way)
        return
    try:
        yield Place(Carrier(data.decode(), name), way, encoded=True)
    except UnicodeDecodeError:
        if len(value) < _RAW:
            yield Place(Carrier(value, name, fixed=True), way)
        for found in _PRINTABLE.finditer(data):
            yield Place(Carrier(found[0].decode("ascii"), name, fixed=True), way)
