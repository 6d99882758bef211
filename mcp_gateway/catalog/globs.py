"""Include and exclude globs over an upstream's own names: ``*``, ``?``, ``[seq]``, ``[!seq]``, case-sensitive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate


class Globs:
    """Names that match one of `enabled` and none of `disabled`."""

    __slots__ = ("_disabled", "_enabled")

    def __init__(self, enabled: Sequence[str], disabled: Sequence[str] = ()) -> None:
        self._enabled = tuple((glob, re.compile(translate(glob))) for glob in enabled)
        self._disabled = tuple((glob, re.compile(translate(glob))) for glob in disabled)

    def admit(self, name: str) -> bool:
        return any(glob.match(name) for _, glob in self._enabled) and not any(
            glob.match(name) for _, glob in self._disabled
        )

    def idle(self, names: Iterable[str]) -> list[str]:
        """The globs that match none of `names`; ``*`` is never reported."""
        listed = list(names)
        both = (*self._enabled, *self._disabled)
        return [text for text, glob in both if text != "*" and not any(glob.match(name) for name in listed)]

    def __bool__(self) -> bool:
        return bool(self._enabled)
