"""The texts of one message as guardrails go through them: found when they are asked for. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mcp_gateway.envelopes.safety.content import Carrier
from mcp_gateway.envelopes.safety.grammar import Grammar
from mcp_gateway.envelopes.safety.lines import Lines
from mcp_gateway.envelopes.safety.walk import Place, lines, places, rewritten, small

MOMENT_NODES: Final = 1_000
MOMENT_CHARACTERS: Final = 8_192
"""What is looked at on the event loop itself; more than that is handed to a thread. Characters are weighed (`weight`):
the heaviest that one detector looks at there takes it some 5 ms, and a plain text of this length less than 1."""


class Texts:
    """All texts of `body`, a message of the protocol that `grammar` is of. Immutable."""

    __slots__ = ("_found", "_grammar", "_lines", "_small", "body")

    def __init__(self, body: dict[str, Any], grammar: Grammar) -> None:
        self.body: Final = body
        self._grammar = grammar
        self._found: Sequence[Place] | None = None
        self._lines: Lines | None = None
        self._small: bool | None = None

    @property
    def small(self) -> bool:
        if self._small is None:
            self._small = small(self.body, nodes=MOMENT_NODES, characters=MOMENT_CHARACTERS)
        return self._small

    @property
    def carriers(self) -> Iterable[Carrier]:
        return (place.carrier for place in self._places())

    @property
    def lines(self) -> Lines:
        if not self.small:
            return Lines(lines(self.body, self._grammar), keep=False)
        if self._lines is None:
            self._lines = Lines(lines(self.body, self._grammar), keep=True)
        return self._lines

    def rewritten(self, texts: Mapping[int, str]) -> dict[str, Any]:
        """The body with other texts, by the places of their carriers."""
        changes = {
            place.way: _written(place, texts[index]) for index, place in enumerate(self._places()) if index in texts
        }
        return rewritten(self.body, changes)

    def _places(self) -> Iterable[Place]:
        # Those of a large message are found anew each time: all at once they would keep the collector busy, and that
        # holds every thread. Only the event loop gets here with a small one.
        if not self.small:
            return places(self.body, self._grammar)
        if self._found is None:
            self._found = tuple(places(self.body, self._grammar))
        return self._found


def _written(place: Place, text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii") if place.encoded else text
