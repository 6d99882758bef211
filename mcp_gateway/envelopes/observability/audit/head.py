"""The head of a chain: which record is the last, signed, so that none can be taken off the end.

It is written after the records: a chain may be ahead of its head by what a process wrote last before it was killed,
and is behind it only if records are gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.files import HEAD
from mcp_gateway.envelopes.observability.audit.link import Link

_SIZE: Final = 512
"""Bytes of the file: written in one step, less than a block of any disk."""

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


class HeadBroken(Exception):
    """There is no head, or not the one that was written. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain. `closed`: nothing was to follow until the chain is opened again."""

    link: Link
    closed: bool = False


def stated(kind: str, chain: str, link: Link, more: str = "") -> bytes:
    """What is signed of a place in a chain."""
    return f"{kind}\n{chain}\n{link.seq}\n{link.hash}\n{more}".encode()


def encoded(head: Head, chain: str, signer: Signer) -> bytes:
    """The file's content."""
    return _text(head, chain, signer.first, signer.sign(stated("head", chain, head.link, str(head.closed))))


def _text(head: Head, chain: str, key: str, signature: str) -> bytes:
    link = head.link
    facts = {"chain": chain, "seq": link.seq, "hash": link.hash, "closed": head.closed}
    return orjson.dumps({**facts, "key": key, "signature": signature}).ljust(_SIZE - 1) + b"\n"


def opened(folder: Path) -> int:
    """A descriptor to `write` to. Raises `OSError`."""
    return os.open(folder / HEAD, _FLAGS, 0o600)


def write(descriptor: int, content: bytes) -> None:
    """Put `encoded` content in place of the present one. Raises `OSError`."""
    if os.pwrite(descriptor, content, 0) != len(content):
        raise OSError("the head was written by half")


def read(folder: Path, signer: Signer) -> Head:
    """The head of a chain. Raises `HeadBroken`."""
    try:
        content = (folder / HEAD).read_bytes()
        facts: Any = orjson.loads(content)
    except FileNotFoundError:
        raise HeadBroken("the head is gone") from None
    except (OSError, orjson.JSONDecodeError):
        raise HeadBroken("the head cannot be read") from None
    if not isinstance(facts, dict):
        raise HeadBroken("the head cannot be read")
    seq, digest, closed = facts.get("seq"), facts.get("hash"), facts.get("closed")
    key, signature = facts.get("key"), facts.get("signature")
    if not (isinstance(seq, int) and isinstance(digest, str) and isinstance(closed, bool)):
        raise HeadBroken("the head cannot be read")
    if not (isinstance(key, str) and isinstance(signature, str)):
        raise HeadBroken("the head is not signed")
    if not signer.knows(key):
        raise HeadBroken(f"the head is signed with the key {key[:16]!a}, which is not in `state.encryption_keys`")
    link, chain = Link(seq, digest), folder.name
    if content != _text(Head(link, closed), chain, key, signature):
        raise HeadBroken("the head was changed")
    if not signer.fits(key, signature, stated("head", chain, link, str(closed))):
        raise HeadBroken("the head was changed")
    return Head(link, closed)
