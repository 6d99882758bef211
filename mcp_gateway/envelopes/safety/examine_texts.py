"""A detector over every text of a message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from functools import partial
from time import monotonic, sleep
from typing import Final, Protocol, runtime_checkable

from mcp_gateway.envelopes.safety.content import PASSED, Carrier, Content, Examined, line
from mcp_gateway.envelopes.safety.finding import Detector, Finding
from mcp_gateway.envelopes.safety.lines import LONG
from mcp_gateway.envelopes.safety.scan import Label, placeholder, redact, scan
from mcp_gateway.envelopes.safety.window import Window

_MOST_KNOWN: Final = 256
"""Texts of one message whose findings are remembered: keys and words come again and again."""

_STRIDE: Final = 2_048
"""What is here already is gone through in longer strides than what arrives: less of it is looked at twice."""

_MOST_FOUND: Final = 10_000
"""Findings in one long text. What comes after them is taken out as one: it is bounded work, and a list of persons."""

_TURN: Final = 0.001
_BREAK: Final = 0.00005
"""Seconds of work after which a thread lets others have the interpreter, and for how long: with less than this it takes
it back before the event loop's has woken up."""


@runtime_checkable
class Labels(Protocol):
    """A detector that says itself what stands for some of its findings; None for the usual placeholder."""

    def label(self, finding: Finding) -> str | None: ...


@runtime_checkable
class Whole(Protocol):
    """A detector that judges a text as a whole and as it is: what it refuses has no part that could be taken out."""

    reads_whole: bool


@runtime_checkable
class Rewrites(Protocol):
    """A detector that has a better form of a text, in which there is less to find."""

    def rewrite(self, text: str) -> str: ...


@runtime_checkable
class Joins(Protocol):
    """A detector that may read many texts at once, and to which a key before a text says more."""

    @property
    def joins(self) -> bool:
        """Whether it finds something in each text of several, with `SEPARATOR` between, in which it would by itself."""
        ...


class ExamineTexts:
    """An examiner. With `only`, texts under other names are not its business.

    Nothing is found in fewer than `shortest` characters, as long as they are ASCII: others may stand for many.
    """

    __slots__ = ("_detector", "_joins", "_label", "_only", "_rewrites", "_shortest", "_whole")

    def __init__(self, detector: Detector, *, only: frozenset[str] = frozenset(), shortest: int = 0) -> None:
        self._detector = detector
        self._shortest = shortest
        self._only = only
        self._label: Label = partial(_labelled, detector) if isinstance(detector, Labels) else placeholder
        self._whole = isinstance(detector, Whole) and detector.reads_whole
        self._rewrites = detector if isinstance(detector, Rewrites) else None
        self._joins = isinstance(detector, Joins) and detector.joins

    def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        clean: set[str] = set()
        if self._joins and not self._only and self._passes(content, clean):
            return PASSED
        return self._each(content, clean, rewrite=rewrite)

    def _passes(self, content: Content, clean: set[str]) -> bool:
        """Whether nothing is found; if not, `clean` are the lines that need no closer look."""
        passes = True
        begun = monotonic()
        for batch in content.lines.batches():
            begun = _pause(begun)
            lines, all_clean = ((), False) if batch is None else batch.clean(self._detector)
            clean.update(lines)
            passes = passes and all_clean
        return passes

    def _each(self, content: Content, clean: Set[str], *, rewrite: bool) -> Examined:
        found: Counter[str] = Counter()
        texts: dict[int, str] = {}
        stuck = False
        known: dict[tuple[str, str], tuple[str, Sequence[Finding]]] = {}
        for index, carrier in enumerate(self._concerned(content.carriers)):
            if carrier is None or (clean and _known_clean(carrier, clean)):
                continue
            which = (carrier.text, carrier.name if self._joins else "")
            read = known.get(which)
            if read is None:
                read = self._read(carrier, rewrite=rewrite)
                if len(known) < _MOST_KNOWN:
                    known[which] = read
            text, findings = read
            if not findings and text == carrier.text:
                continue
            found.update(finding.kind for finding in findings)
            left = text if self._whole or not rewrite else redact(text, findings, self._label)
            if left != carrier.text:
                stuck = stuck or carrier.fixed
                texts[index] = left
            stuck = stuck or (self._whole and bool(findings))
        if not found and not texts:
            return PASSED
        if not found:
            found["rewritten"] = len(texts)
        return Examined(True, dict(found), content.rewritten(texts) if rewrite and not stuck else None)

    def _concerned(self, carriers: Iterable[Carrier]) -> Iterable[Carrier | None]:
        """The carriers, None in the place of each that has nothing to be found in it."""
        for carrier in carriers:
            short = len(carrier.text) < self._shortest and carrier.text.isascii()
            yield None if short or (self._only and carrier.name not in self._only) else carrier

    def _read(self, carrier: Carrier, *, rewrite: bool) -> tuple[str, Sequence[Finding]]:
        """The text in its better form, and what is found in that."""
        text = carrier.text
        if rewrite and self._rewrites is not None:
            text = self._rewrites.rewrite(text)
        if self._whole:
            return text, self._detector.find(text)
        if not self._joins or not carrier.name or carrier.name == text:
            return text, self._scanned(text)
        before = len(carrier.name) + 2
        after_key = (Finding(one.kind, one.start - before, one.end - before) for one in self._scanned(line(carrier)))
        # What is in the key is found there, and there it can not be taken out.
        return text, [Finding(one.kind, max(0, one.start), one.end) for one in after_key if one.end > 0]

    def _scanned(self, text: str) -> Sequence[Finding]:
        if len(text) <= LONG:
            return scan(text, (self._detector,))
        window = Window((self._detector,), self._label, stride=_STRIDE)
        begun = monotonic()
        for place in range(0, len(text), _STRIDE):
            window.feed(text[place : place + _STRIDE])
            if len(window.found) > _MOST_FOUND:
                last = window.found[-1]
                return [*window.found[:-1], Finding(last.kind, last.start, len(text))]
            begun = _pause(begun)
        window.end()
        return window.found


def _known_clean(carrier: Carrier, clean: Set[str]) -> bool:
    return line(carrier) in clean or (carrier.text == carrier.name and carrier.text in clean)


def _pause(begun: float) -> float:
    """Lets other threads have the interpreter if this one has worked since `begun` for a while; when it goes on."""
    if monotonic() - begun < _TURN:
        return begun
    sleep(_BREAK)
    return monotonic()


def _labelled(detector: Labels, finding: Finding) -> str:
    label = detector.label(finding)
    return placeholder(finding) if label is None else label
