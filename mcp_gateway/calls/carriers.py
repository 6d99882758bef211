"""A call, its result, or what passes between the two, as guardrails see it. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.walk import Place, lines, places, rewritten, small
from mcp_gateway.core.call import Json
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.content import Carrier
from mcp_gateway.envelopes.safety.lines import Lines

MOMENT_NODES: Final = 1_000
MOMENT_CHARACTERS: Final = 8_192
"""What is looked at on the event loop itself; more than that is handed to a thread. Characters are weighed (`weight`):
the heaviest that one detector looks at there takes it some 5 ms, and a plain text of this length less than 1."""

_AIMS: Final = ("name", "uri", "ref")
"""What decides where a call goes: no guardrail turns it to something else."""


class Permits(Protocol):
    """Asks the policy of a guardrail about a call, and about its result where there is one."""

    def __call__(self, guardrail: str, call: Invocation, result: Result | None) -> bool: ...


class Carried:
    """One message at a hook: what goes to an upstream, or what `came` from it. Immutable."""

    __slots__ = ("_call", "_came", "_found", "_lines", "_message", "_permits", "_small")

    def __init__(self, call: Invocation, message: Json, permits: Permits, *, came: bool) -> None:
        self._call = call
        self._message = message
        self._permits = permits
        self._came = came
        self._found: Sequence[Place] | None = None
        self._lines: Lines | None = None
        self._small: bool | None = None

    @classmethod
    def going(cls, call: Invocation, permits: Permits) -> Carried:
        """What an upstream will be asked, with what the caller sends along."""
        return cls(call, {**call.params, "_meta": call.meta} if call.meta else call.params, permits, came=False)

    @property
    def message(self) -> Json:
        """What is left of the message."""
        return self._message

    @property
    def call(self) -> Invocation:
        """The call with the message for its parameters."""
        params = dict(self._message)
        meta = params.pop("_meta", {})
        return replace(self._call, params=params, meta=meta)

    # ------------------------------------------------------------------ as guardrails see it

    @property
    def small(self) -> bool:
        if self._small is None:
            self._small = small(self._message, nodes=MOMENT_NODES, characters=MOMENT_CHARACTERS)
        return self._small

    @property
    def carriers(self) -> Iterable[Carrier]:
        return (place.carrier for place in self._places())

    @property
    def lines(self) -> Lines:
        if not self.small:
            return Lines(lines(self._message), keep=False)
        if self._lines is None:
            self._lines = Lines(lines(self._message), keep=True)
        return self._lines

    @property
    def request(self) -> Json:
        return self._call.params if self._came else self._message

    @property
    def response(self) -> Json | None:
        return self._message if self._came else None

    @property
    def principal(self) -> Principal:
        return self._call.call.principal

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._call.call.metadata

    def rewritten(self, texts: Mapping[int, str]) -> Carried:
        changes = {
            place.way: _written(place, texts[index]) for index, place in enumerate(self._places()) if index in texts
        }
        return self._with(rewritten(self._message, changes))

    def replaced(self, body: Json) -> Carried:
        if not self._came and any(body.get(aim) != self._message.get(aim) for aim in _AIMS):
            raise ValueError("a guardrail aims the call at something else")
        if not self._came and not isinstance(body.get("_meta", {}), dict):
            raise ValueError("a guardrail left a _meta that is no object")
        return self._with(body)

    def permitted(self, guardrail: str) -> bool:
        return self._permits(guardrail, self._call if self._came else self.call, self.response)

    def _places(self) -> Iterable[Place]:
        # Those of a large message are found anew each time: all at once they would keep the collector busy, and that
        # holds every thread. Only the event loop gets here with a small one.
        if not self.small:
            return places(self._message)
        if self._found is None:
            self._found = tuple(places(self._message))
        return self._found

    def _with(self, message: dict[str, Any]) -> Carried:
        return Carried(self._call, message, self._permits, came=self._came)


def _written(place: Place, text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii") if place.encoded else text
