"""Reads the members of what clients send: the value if it is of the right type, else `Invalid` with its place. Pure.

`at` is the JSON pointer of the object that is read, empty for the body. Null is as good as absent.
"""

from __future__ import annotations

from typing import Any, NoReturn

from mcp_gateway.core.errors import Invalid

Json = dict[str, Any]


def wrong(message: str, pointer: str) -> NoReturn:
    """Raises `Invalid`."""
    raise Invalid(message, pointer=pointer)


def text(body: Json, key: str, at: str = "") -> str | None:
    """A string."""
    value = body.get(key)
    if value is not None and type(value) is not str:
        wrong(f"{key} must be a string", f"{at}/{key}")
    return value


def needed_text(body: Json, key: str, at: str = "") -> str:
    """A string that must be there and hold something."""
    value = text(body, key, at)
    if not value:
        wrong(f"{key} is required and must be a string that is not empty", f"{at}/{key}")
    return value


def flag(body: Json, key: str, at: str = "") -> bool | None:
    """True or false."""
    value = body.get(key)
    if value is not None and type(value) is not bool:
        wrong(f"{key} must be true or false", f"{at}/{key}")
    return value


def whole(body: Json, key: str, at: str = "", *, least: int | None = None, most: int | None = None) -> int | None:
    """A whole number within bounds."""
    value = body.get(key)
    if value is None:
        return None
    if type(value) is not int:
        wrong(f"{key} must be a whole number", f"{at}/{key}")
    if (least is not None and value < least) or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"between {least} and {most}"
        wrong(f"{key} must be {span}", f"{at}/{key}")
    return value


def number(body: Json, key: str, at: str = "") -> float | None:
    """A number."""
    value = body.get(key)
    if value is not None and type(value) is not float and type(value) is not int:
        wrong(f"{key} must be a number", f"{at}/{key}")
    return value


def an_object(value: object, pointer: str) -> Json:
    """`value` if it is an object."""
    if type(value) is not dict:
        wrong("must be an object", pointer)
    return value


def member(body: Json, key: str, at: str = "") -> Json | None:
    """An object."""
    value = body.get(key)
    return None if value is None else an_object(value, f"{at}/{key}")


def needed_member(body: Json, key: str, at: str = "") -> Json:
    """An object that must be there."""
    return an_object(body.get(key), f"{at}/{key}")


def array(body: Json, key: str, at: str = "") -> list[Any]:
    """An array, empty where it is absent."""
    value = body.get(key)
    if value is None:
        return []
    if type(value) is not list:
        wrong(f"{key} must be an array", f"{at}/{key}")
    return value


def word(body: Json, key: str, words: tuple[str, ...], at: str = "") -> str | None:
    """One of `words`."""
    value = body.get(key)
    if value is not None and (type(value) is not str or value not in words):
        wrong(f"{key} must be one of {', '.join(words)}", f"{at}/{key}")
    return value
