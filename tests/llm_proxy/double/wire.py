"""What a family's module offers the server: how it reads questions and writes answers, streams and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from tests.llm_proxy.double.question import BadRequest, Plan, Question

Json = dict[str, Any]


class Frame(NamedTuple):
    """One server-sent event on the wire, and how many tokens of output it holds."""

    data: bytes
    tokens: int = 0


class Wire(Protocol):
    """One endpoint of a family."""

    def question(self, path: str, headers: Mapping[str, str], body: Json) -> Question:
        """What is asked for. Raises `BadRequest`."""
        ...

    def whole(self, plan: Plan) -> Json: ...

    def frames(self, plan: Plan) -> Iterator[Frame]: ...

    def failure(self, status: int, kind: str) -> tuple[int, Json]:
        """The status and the body of an error answer."""
        ...

    def failure_frame(self, kind: str) -> bytes:
        """The same inside a stream."""
        ...


def event(value: Any, name: str = "") -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(value) + b"\n\n"


def required(body: Json, key: str, kind: type) -> Any:
    """A member that must be there. Raises `BadRequest`."""
    value = body.get(key)
    if not isinstance(value, kind) or not value:
        raise BadRequest(f"{key} is required")
    return value


def texts(content: Any, *kinds: str) -> Iterator[str]:
    """The texts of a message's content: a string, or parts of these types."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if part.get("type") in kinds:
                yield part["text"]
    elif content is not None:
        raise BadRequest("content is neither a string nor an array")
