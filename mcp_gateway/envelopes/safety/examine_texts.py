"""A detector over every text of a message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from functools import partial
from typing import Final, Protocol, runtime_checkable

from mcp_gateway.envelopes.safety.channel import Channel
from mcp_gateway.envelopes.safety.content import PASSED, Carrier, Content, Examined, line
from mcp_gateway.envelopes.safety.finding import Detector, Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.lines import LONG
from mcp_gateway.envelopes.safety.scan import Label, placeholder, redact, scan
from mcp_gateway.envelopes.safety.window import Window
from mcp_gateway.envelopes.safety.workers import Turn

_MOST_KNOWN: Final = 256
"""Texts of one message whose findings are remembered: keys and words come again and again."""

_STRIDE: Final = 2_048
"""What is here already is gone through in longer strides than what arrives: less of it is looked at twice."""

_MOST_FOUND: Final = 10_000
"""Findings in one long text. What comes after them is taken out as one: it is bounded work, and a list of persons."""


@runtime_checkable
class Labels(Protocol):
    """A detector that says itself what stands for some of its findings; None for the usual placeholder."""

    def label(self, finding: Finding) -> str | None: ...


@runtime_checkable
class Whole(Protocol):
    """A detector that judges a text as a whole and as it is: what it refuses has no part that could be taken out."""

    reads_whole: bool


@runtime_checkable
class RunsModel(Protocol):
    """A detector that takes long even for a few words, and finds one by all that stand around it.

    So it looks at no text that is still arriving, and the event loop never runs it.
    """

    runs_model: bool


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

    __slots__ = ("_detector", "_joins", "_label", "_only", "_rewrites", "_shortest", "_whole", "runs_model")

    def __init__(self, detector: Detector, *, only: frozenset[str] = frozenset(), shortest: int = 0) -> None:
        self._detector = detector
        self._shortest = shortest
        self._only = only
        self._label: Label = partial(_labelled, detector) if isinstance(detector, Labels) else placeholder
        self._whole = isinstance(detector, Whole) and detector.reads_whole
        self.runs_model: Final = isinstance(detector, RunsModel) and detector.runs_model
        self._rewrites = detector if isinstance(detector, Rewrites) else None
        self._joins = isinstance(detector, Joins) and detector.joins

    def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        clean: set[str] = set()
        # What is small is looked at by the event loop itself: nobody waits for a turn.
        rest = no_rest if content.small else Turn()
        if self._joins and not self._only and self._passes(content, clean, rest):
            return PASSED
        return self._each(content, clean, rest, rewrite=rewrite)

    def findings(self, carrier: Carrier) -> Sequence[Finding]:
        """What is found in one text as it is, in order, where it stands; nothing where it is not its business."""
        (concerned,) = self._concerned((carrier,))
        return () if concerned is None else self._read(concerned, no_rest, rewrite=False)[1]

    def streams(self, name: str, *, rewrite: bool) -> bool:
        """Whether a text under `name` can be looked at while it arrives."""
        needs_all = self._whole or self.runs_model or (rewrite and self._rewrites is not None)
        return not needs_all or self.ignores(name)

    def ignores(self, name: str) -> bool:
        """Whether a text under `name` is not its business."""
        return bool(self._only) and name not in self._only

    def channel(self, name: str, *, rewrite: bool) -> Channel:
        """What looks at a text under `name` that arrives in pieces, as at one that is whole."""
        return Channel(Window((self._detector,), self._label if rewrite else None), f"{name}: " if self._joins else "")

    def _passes(self, content: Content, clean: set[str], rest: Rest) -> bool:
        """Whether nothing is found; if not, `clean` are the lines that need no closer look."""
        passes = True
        known: list[Iterable[str]] = []
        for batch in content.lines.batches(rest):
            rest()
            lines, all_clean = ((), False) if batch is None else batch.clean(self._detector, rest)
            known.append(lines)
            passes = passes and all_clean
        if not passes:
            clean.update(*known)
        return passes

    def _each(self, content: Content, clean: Set[str], rest: Rest, *, rewrite: bool) -> Examined:
        found: Counter[str] = Counter()
        texts: dict[int, str] = {}
        stuck = False
        known: dict[tuple[str, str], tuple[str, Sequence[Finding]]] = {}
        for index, carrier in enumerate(self._concerned(content.carriers)):
            rest()
            if carrier is None or (clean and _known_clean(carrier, clean)):
                continue
            which = (carrier.text, carrier.name if self._joins else "")
            read = known.get(which)
            if read is None:
                read = self._read(carrier, rest, rewrite=rewrite)
                if len(known) < _MOST_KNOWN:
                    known[which] = read
            text, findings = read
            if not findings and text == carrier.text:
                continue
            found.update(finding.kind for finding in paced(findings, rest))
            left = text if self._whole or not rewrite else redact(text, paced(findings, rest), self._label)
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

    def _read(self, carrier: Carrier, rest: Rest, *, rewrite: bool) -> tuple[str, Sequence[Finding]]:
        """The text in its better form, and what is found in that."""
        text = carrier.text
        if rewrite and self._rewrites is not None:
            text = self._rewrites.rewrite(text)
        if self._whole:
            return text, self._detector.find(text, rest)
        if not self._joins or not carrier.name or carrier.name == text:
            return text, self._scanned(text, rest)
        before = len(carrier.name) + 2
        after_key = (
            Finding(one.kind, one.start - before, one.end - before)
            for one in paced(self._scanned(line(carrier), rest), rest)
        )
        # What is in the key is found there, and there it can not be taken out.
        return text, [Finding(one.kind, max(0, one.start), one.end) for one in after_key if one.end > 0]

    def _scanned(self, text: str, rest: Rest) -> Sequence[Finding]:
        if len(text) <= LONG:
            return scan(text, (self._detector,), rest)
        window = Window((self._detector,), self._label, stride=_STRIDE, rest=rest)
        for place in range(0, len(text), _STRIDE):
            window.feed(text[place : place + _STRIDE])
            if len(window.found) > _MOST_FOUND:
                last = window.found[-1]
                return [*window.found[:-1], Finding(last.kind, last.start, len(text))]
            rest()
        window.end()
        return window.found


def _known_clean(carrier: Carrier, clean: Set[str]) -> bool:
    return line(carrier) in clean or (carrier.text == carrier.name and carrier.text in clean)


def _labelled(detector: Labels, finding: Finding) -> str:
    label = detector.label(finding)
    return placeholder(finding) if label is None else label
