"""Reads what providers send: the value if it is of the right type, else a violation. Pure."""

from __future__ import annotations

from typing import Any, Final

from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.strictjson import JsonError, loads_upstream

Json = dict[str, Any]

MOST_TOKENS: Final = 100_000_000
"""No answer uses more, whatever it says: a count above it is nonsense, and nobody's budget should pay for nonsense."""


def parse(data: bytes) -> Json:
    """The object in one event of a stream. Raises `ProtocolViolation`."""
    try:
        value = loads_upstream(data)
    except JsonError:
        raise ProtocolViolation("the provider's stream holds what is not JSON") from None
    return an_object(value, "an event")


def an_object(value: object, what: str) -> Json:
    """`value` if it is an object. Raises `ProtocolViolation` that names `what`, which are words of ours."""
    if type(value) is not dict:
        raise ProtocolViolation(f"the provider's answer is wrong: {what} is not an object")
    return value


def an_array(value: object, what: str) -> list[Any]:
    """`value` if it is an array; null and absent ones are empty."""
    if value is None:
        return []
    if type(value) is not list:
        raise ProtocolViolation(f"the provider's answer is wrong: {what} is not an array")
    return value


def a_text(value: object, what: str) -> str:
    """`value` if it is a string; null and absent ones are empty."""
    if value is None:
        return ""
    if type(value) is not str:
        raise ProtocolViolation(f"the provider's answer is wrong: {what} is not a string")
    return value


def seconds(value: object) -> int:
    """A time in whole seconds since 1970; 0 for what is none."""
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 53 else 0


def tokens(value: object) -> int | None:
    """A count of tokens: a whole number from 0 to `MOST_TOKENS`, in either notation. None for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _part(value: object, most: int) -> int:
    """The same of a detail, which most answers have none of: 0 for nonsense, and no more than its total."""
    return min(tokens(value) or 0, most) if value else 0


def counted(
    input: object, output: object, *, cache_read: object = None, cache_write: object = None, reasoning: object = None
) -> Usage | None:
    """The usage that these counts say, in the sense of `Usage`: `input` and `output` are totals.

    A total that is absent is 0, unless both are. One that is nonsense makes all of it nonsense, which is None: counted
    as 0 it would be free. Details that are nonsense are 0, and none is more than its total.
    """
    if input is None and output is None:
        return None
    whole_input = tokens(0 if input is None else input)
    whole_output = tokens(0 if output is None else output)
    if whole_input is None or whole_output is None:
        return None
    read = _part(cache_read, whole_input)
    return Usage(
        whole_input, whole_output, read, _part(cache_write, whole_input - read), _part(reasoning, whole_output)
    )
