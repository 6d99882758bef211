"""The form of a record in a chain, and what ties it to the one before. Pure.

A record is a line of canonical JSON: keys in order, no whitespace. It names its `chain`, its `seq`, and in `prev` the
hash of the record before it. `hash`, which stands last, is the SHA-256 of the line without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

_BEFORE: Final = b',"hash":"'
_AFTER: Final = b'"}\n'
_DIGITS: Final = 64
_TAIL: Final = len(_BEFORE) + _DIGITS + len(_AFTER)


class Broken(Exception):
    """A line that is no record, or not the one that was written. The text says what is wrong."""


class Link(NamedTuple):
    """A place in a chain: a record's number, counted from 1, and its hash."""

    seq: int
    hash: str


START: Final = Link(0, "0" * _DIGITS)
"""Before the first record of a chain."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read: what it holds, where it stands, and the hash of what it stands behind."""

    fields: Mapping[str, Any]
    chain: str
    link: Link
    prev: str


def seal(fields: Mapping[str, object], chain: str, before: Link) -> tuple[bytes, Link]:
    """The line of a record that follows `before`, and its place."""
    seq = before.seq + 1
    whole = dict(fields)
    whole["chain"], whole["prev"], whole["seq"] = chain, before.hash, seq
    text = _encoded(whole)
    digest = sha256(text).hexdigest()
    return text[:-1] + _BEFORE + digest.encode() + _AFTER, Link(seq, digest)


def read(line: bytes) -> Record:
    """The record of a whole line. Raises `Broken`."""
    if len(line) <= _TAIL or not line.endswith(_AFTER) or line[-_TAIL : -_TAIL + len(_BEFORE)] != _BEFORE:
        raise Broken("this is no record")
    text, digest = line[:-_TAIL] + b"}", line[-_TAIL + len(_BEFORE) : -len(_AFTER)]
    if sha256(text).hexdigest().encode() != digest:
        raise Broken("this record was changed")
    return _record(text, digest.decode())


def read_unproved(line: bytes) -> Record | None:
    """What can be read of a line whose hash is not looked at; None if that is no record."""
    if len(line) <= _TAIL or not line.endswith(_AFTER):
        return None
    try:
        return _record(line[:-_TAIL] + b"}", line[-_TAIL + len(_BEFORE) : -len(_AFTER)].decode("ascii", "replace"))
    except Broken:
        return None


def _record(text: bytes, digest: str) -> Record:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Broken("this is no record") from None
    if not isinstance(fields, dict):
        raise Broken("this is no record")
    chain, seq, prev = fields.get("chain"), fields.get("seq"), fields.get("prev")
    if not isinstance(chain, str) or not isinstance(prev, str) or not isinstance(seq, int):
        raise Broken("this is no record of a chain")
    return Record(fields, chain, Link(seq, digest), prev)


def _encoded(fields: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number or a text that is no JSON: a record with it spelled out beats none
        return orjson.dumps(_sound(fields), default=str, option=orjson.OPT_SORT_KEYS)


def _sound(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(_sound(str(name))): _sound(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return str(value)
    return value
