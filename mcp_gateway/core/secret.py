"""A value that must not be seen: every way of turning it into text gives the same stars."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

REDACTED: Final = "**********"
"""What is shown in place of any secret, whatever its length."""


class Secret:
    """Holds a secret string. Only `reveal()` gives it back; `str`, `repr` and `format` are redacted.

    Immutable and comparable in constant time. It is not JSON (serialisers meet an unknown type) and refuses
    to be pickled, because a pickle that restores a redacted value would look like a working secret.
    """

    __slots__ = ("_value",)

    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The secret itself. Call it where the value is used, and keep the result out of variables that are logged."""
        return self._value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Secret is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, format_spec: str) -> str:
        return format(REDACTED, format_spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
