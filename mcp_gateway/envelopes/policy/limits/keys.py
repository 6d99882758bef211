"""In which pools of a rule a call is counted: one key for each, of one length whatever a caller is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import product
from types import MappingProxyType
from typing import Any, Final, Protocol

from mcp_gateway.core.principal import Principal

SHARED: Final = ""
"""Stands for what a call does not have. Such calls share a pool: leaving something out is no way round a limit."""

TEAMS: Final = 16
"""The most teams of one caller that are counted apart. The rest share a pool, so that a call stays cheap."""

KEPT: Final = 512
"""The most callers of one rule whose keys are kept ready. The names of one are a few hundred bytes."""

LONGEST: Final = 1024
"""Characters of what keys are made of, beyond which they are not kept: so the kept ones are half a megabyte at most."""

_METADATA: Final = "metadata."


class Called(Protocol):
    """What is read of any call to tell whose it is."""

    @property
    def principal(self) -> Principal: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


Read = Callable[[Any], Sequence[str]]
"""The values of one word of a rule's `per` in a call; several are several pools."""


class Keys:
    """The keys of the pools of the rule `name`. What the same values came to is kept, since callers come again.

    Nothing that reads a store learns who calls.
    """

    __slots__ = ("_kept", "_name", "_read")

    def __init__(self, name: str, per: Sequence[str], own: Mapping[str, Read]) -> None:
        """`own` reads the words of `per` that only one plane or kind of rule has."""
        self._name = name.encode()
        self._read = tuple(_reader(word, own) for word in per)
        self._kept: dict[tuple[tuple[str, ...], ...], tuple[bytes, ...]] = {}

    def of(self, call: Called) -> Sequence[bytes]:
        """The keys of the pools in which `call` is counted."""
        values = tuple([tuple(read(call)) for read in self._read])
        found = self._kept.get(values)
        if found is None:
            found = tuple(_key(self._name, combination) for combination in product(*values))
            if sum(len(text) for texts in values for text in texts) <= LONGEST:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[values] = found
        return found


def _reader(word: str, own: Mapping[str, Read]) -> Read:
    if word.startswith(_METADATA):
        return partial(_metadata, word.removeprefix(_METADATA))
    return own[word] if word in own else _CALLERS[word]


def _metadata(key: str, call: Called) -> Sequence[str]:
    return (call.metadata.get(key, SHARED),)


def _user(call: Called) -> Sequence[str]:
    return (call.principal.id if call.principal.kind == "user" else SHARED,)


def _account(call: Called) -> Sequence[str]:
    return (call.principal.id if call.principal.kind == "virtual_account" else SHARED,)


def _teams(call: Called) -> Sequence[str]:
    teams = sorted(set(call.principal.teams) - {SHARED})
    return (*teams[:TEAMS], SHARED) if len(teams) > TEAMS else teams or (SHARED,)


_CALLERS: Final[Mapping[str, Read]] = MappingProxyType({"user": _user, "virtual_account": _account, "team": _teams})


def _key(name: bytes, values: Sequence[str]) -> bytes:
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    return sha256(b"".join([name, *(b"%d:%b" % (len(each), each) for each in encoded)])).digest()
