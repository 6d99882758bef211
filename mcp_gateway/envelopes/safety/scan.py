"""Looking through a text with detectors: as it is written, as it is read, and as what it encodes. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from mcp_gateway.envelopes.safety.finding import Detector, Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.text.decode import decode
from mcp_gateway.envelopes.safety.text.normalise import normalise
from mcp_gateway.envelopes.safety.text.regex import Pattern
from mcp_gateway.envelopes.safety.text.view import View

_PASSES: Final = 16
"""How often a text is looked through again for what came to light when something beside it was taken out. A text that
still has more then is taken out whole."""

_ESCAPES: Final = Pattern(r"\\+(?:u[0-9a-fA-F]{4}|.)")
"""Escapes of JSON, also of JSON within JSON, where the backslash is escaped itself."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half of a pair: no character. It is replaced by one, so that every place stays where it is."""

Label = Callable[[Finding], str]


def scan(text: str, detectors: Sequence[Detector], rest: Rest = no_rest) -> Sequence[Finding]:
    """What the detectors find in `text`, in order, without overlaps; of two that overlap, the longer one names both.

    What would be found after the findings were taken out is among them: so taking them out is done once.
    """
    text = encodable(text)
    found = once(text, views(text, rest), detectors, rest)
    if not found:
        return ()
    for _ in range(_PASSES):
        masked = _masked(text, found)
        more = once(masked, views(masked, rest), detectors, rest)
        # A finding within what was taken out already is a detector's own that matches any text.
        more = [finding for finding in more if not _inside(finding, found)]
        if not more:
            return found
        found = _merged(text, [*found, *more])
    return (Finding(found[0].kind, 0, len(text)),)


def once(text: str, ways: Iterable[View], detectors: Sequence[Detector], rest: Rest = no_rest) -> list[Finding]:
    """The same over the `views` of `text`, without what comes to light when the findings are taken out."""
    found: list[Finding] = []
    for view in ways:
        for detector in detectors:
            rest()
            # Most texts hold nothing.
            if matches := detector.find(view.text, rest):
                found += [
                    Finding(finding.kind, *view.span(finding.start, finding.end))
                    for finding in paced(matches, rest)
                    if finding.start < finding.end
                ]
        rest()
    return _merged(text, found) if found else found


def placeholder(finding: Finding) -> str:
    """What stands for a finding: `[EMAIL]`. No detector knows it, and it needs no escape in JSON."""
    return f"[{finding.kind.upper()}]"


def redact(text: str, findings: Iterable[Finding], label: Label = placeholder) -> str:
    """`text` with each of `findings`, which are in order and do not overlap, replaced by its label."""
    pieces, last = [], 0
    for finding in findings:
        pieces += [text[last : finding.start], label(finding)]
        last = finding.end
    return "".join([*pieces, text[last:]]) if pieces else text


def views(text: str, rest: Rest = no_rest) -> Iterator[View]:
    """`text`, which can be encoded as UTF-8, in all ways in which it is looked through."""
    given = View(text)
    yield given
    normal = given if text.isascii() else normalise(text)
    if normal.text != text:
        yield normal
    yield from decode(normal, rest)


def encodable(text: str) -> str:
    """`text` as it is looked through, as long as it is: what is no character is replaced by one."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text


def _merged(text: str, found: Iterable[Finding]) -> list[Finding]:
    merged: list[Finding] = []
    named = 0
    for finding in sorted(found, key=lambda one: (one.start, -one.end)):
        length = finding.end - finding.start
        if merged and finding.start < merged[-1].end:
            last = merged[-1]
            kind = last.kind if named >= length else finding.kind
            named = max(named, length)
            merged[-1] = Finding(kind, last.start, max(last.end, finding.end))
        else:
            merged.append(finding)
            named = length
    return _whole_escapes(text, merged) if "\\" in text else merged


def _whole_escapes(text: str, found: list[Finding]) -> list[Finding]:
    """The findings, none of which begins or ends within an escape: half of one would break the JSON in a text."""
    escapes = list(_ESCAPES.spans(text))
    whole: list[Finding] = []
    for finding in found:
        start, _ = _around(finding.start, escapes)
        _, end = _around(finding.end, escapes)
        if whole and start < whole[-1].end:
            whole[-1] = Finding(whole[-1].kind, whole[-1].start, max(end, whole[-1].end))
        else:
            whole.append(Finding(finding.kind, start, end))
    return whole


def _around(place: int, escapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The escape that begins before `place` and ends after it; or nothing, at `place`."""
    before = bisect_left(escapes, (place, 0)) - 1
    if before >= 0 and place < escapes[before][1]:
        return escapes[before]
    return place, place


def _masked(text: str, found: Iterable[Finding]) -> str:
    """`text` with brackets for each finding, as long as it is: what is beside it is read as beside a placeholder."""
    return redact(text, found, lambda finding: "[" * (finding.end - finding.start - 1) + "]")


def _inside(finding: Finding, found: Sequence[Finding]) -> bool:
    before = bisect_right(found, finding.start, key=lambda one: one.start) - 1
    return before >= 0 and finding.end <= found[before].end
