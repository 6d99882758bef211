"""A text that arrives in pieces, looked through before it leaves. Sans-IO.

A text is looked through only when a whole number of strides of it has arrived, and at its end, each time from the same
place on. So what leaves, and what is found, depend on the text alone and never on how it was cut; a whole text passes
through the same window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mcp_gateway.envelopes.safety.finding import Detector, Finding, Rest, no_rest
from mcp_gateway.envelopes.safety.scan import Label, redact, scan

STRIDE: Final = 1024
"""Characters between two looks, at least. A stride costs latency on a stream, and a look costs time."""

SPREAD: Final = 2
"""How many characters one of a match may be written with, on average, for nothing of it to leave: it may be encoded."""

MOST_HELD: Final = 1 << 14
"""Characters of one match that are held until its end is seen; the largest private keys are shorter."""


class Window:
    """One channel: a text in pieces comes in, what may leave comes out.

    With a `label`, findings are replaced by it; without, nothing leaves any more from the first finding on. What does
    not leave yet is at most a stride and the `context`, in characters, and a match that has begun. A look calls `rest`.
    """

    __slots__ = ("_detectors", "_first", "_found", "_label", "_left", "_next", "_rest", "_text", "context", "stride")

    def __init__(
        self,
        detectors: Sequence[Detector],
        label: Label | None = None,
        *,
        stride: int = STRIDE,
        rest: Rest = no_rest,
    ) -> None:
        self._detectors = detectors
        self._label = label
        self._rest = rest
        self.context: Final = SPREAD * max((detector.longest for detector in detectors), default=0)
        self.stride: Final = max(stride, self.context)
        # Places in the channel: of the first character kept, of the first that has not left, of the next look.
        self._first = self._left = 0
        self._next = self.stride
        self._text = ""
        self._found: list[Finding] = []

    @property
    def found(self) -> Sequence[Finding]:
        """What was found, in order, in characters from the beginning of the channel."""
        return self._found

    @property
    def held(self) -> str:
        """What has arrived and not left."""
        return self._text[self._left - self._first :]

    @property
    def blocked(self) -> bool:
        return self._label is None and bool(self._found)

    @property
    def missing(self) -> int:
        """How many characters have to arrive for the next look."""
        return self._next - self._first - len(self._text)

    def feed(self, text: str) -> str:
        """Takes the next piece; what may leave now."""
        leaving = []
        while not self.blocked and len(text) >= (missing := self.missing):
            self._text += text[:missing]
            text = text[missing:]
            leaving.append(self._look(last=False))
            self._next += self.stride
        self._text += text
        return "".join(leaving)

    def end(self) -> str:
        """The channel ends; what may leave of the rest. Nothing may be fed after."""
        return "" if self.blocked else self._look(last=True)

    def _look(self, last: bool) -> str:
        arrived = self._first + len(self._text)
        found = [
            Finding(one.kind, max(one.start + self._first, self._left), one.end + self._first)
            for one in scan(self._text, self._detectors, self._rest)
            if one.end + self._first > self._left
        ]
        cut = arrived if last else max(self._left, arrived - self.context)
        for one in found:
            if one.start < cut < one.end:
                # It may go on in what has not arrived; what is held longer than anything is, is taken as it is.
                cut = one.start if arrived - one.start <= MOST_HELD else one.end
        final = [one for one in found if one.end <= cut]
        self._found += final
        if self.blocked:
            self._text = ""
            return ""
        leaving = self._text[self._left - self._first : cut - self._first]
        if final and self._label is not None:
            leaving = redact(
                leaving, [Finding(one.kind, one.start - self._left, one.end - self._left) for one in final], self._label
            )
        first = max(self._first, cut - self.context)
        self._text = self._text[first - self._first :]
        self._first, self._left = first, cut
        return leaving
