"""Reads the `config` of one guard instance, every option once; messages name the option and never its value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from mcp_gateway.core.secret import Secret


class Options:
    """One reading of a mapping. Every method raises `ValueError` with a public message; `finish` for unknown keys."""

    __slots__ = ("_known", "_values")

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._known: set[str] = set()

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise ValueError(f"`{name}` must be true or false")
        return value

    def number(self, name: str, *, default: int | None, least: int, most: int) -> int | None:
        """A whole number from `least` to `most`, or the default."""
        value = self._take(name, default)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"`{name}` must be a whole number from {least} to {most}")
        return value

    def fraction(self, name: str, *, default: float) -> float:
        """A number from 0 to 1."""
        value = self._take(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise ValueError(f"`{name}` must be a number from 0 to 1")
        return float(value)

    def text(self, name: str, *, default: str) -> str:
        """Any string."""
        value = self._take(name, default)
        if not isinstance(value, str):
            raise ValueError(f"`{name}` must be a string")
        return value

    def secret(self, name: str) -> Secret | None:
        """A secret that is named and not written, None if there is none."""
        value = self._take(name, None)
        if value is not None and not isinstance(value, Secret):
            raise ValueError(f"`{name}` must name a secret: env:NAME or file:/path")
        return value

    def word(self, name: str, allowed: Collection[str], *, default: str | None = None) -> str:
        """One of `allowed`; mandatory without a default."""
        value = self._take(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"`{name}` must be one of: {', '.join(allowed)}")
        return value

    def words(self, name: str, allowed: Collection[str], *, default: Sequence[str] = ()) -> Sequence[str]:
        """A list of some of `allowed`."""
        values = self._strings(name, default)
        if not all(value in allowed for value in values):
            raise ValueError(f"`{name}` may hold: {', '.join(allowed)}")
        return values

    def texts(self, name: str, *, default: Sequence[str] = ()) -> Sequence[str]:
        """A list of strings that are not empty."""
        return self._strings(name, default)

    def mappings(self, name: str) -> Sequence[Mapping[str, object]]:
        """A list of mappings with strings as keys."""
        values = self._take(name, ())
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise ValueError(f"`{name}` must be a list of mappings")
        return [_mapping(name, value) for value in values]

    def mapping(self, name: str) -> Mapping[str, object]:
        """A mapping with strings as keys; empty if there is none."""
        return _mapping(name, self._take(name, {}))

    def finish(self) -> None:
        """Refuses what nothing has asked for."""
        for name in self._values:
            if name not in self._known:
                near = get_close_matches(name, self._known, n=1)
                raise ValueError(
                    f"there is no option of this name; did you mean `{near[0]}`?"
                    if near
                    else f"unknown option; known are: {', '.join(sorted(self._known)) or 'none'}"
                )

    def _take(self, name: str, default: object) -> object:
        self._known.add(name)
        return self._values.get(name, default)

    def _strings(self, name: str, default: Sequence[str]) -> Sequence[str]:
        values = self._take(name, default)
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise ValueError(f"`{name}` must be a list of strings")
        strings = [value for value in values if isinstance(value, str) and value]
        if len(strings) != len(values):
            raise ValueError(f"`{name}` must be a list of strings that are not empty")
        return strings


def _mapping(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"`{name}` must be a mapping with names as keys")
    return value
