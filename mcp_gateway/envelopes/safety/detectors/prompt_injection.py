"""Guard type `prompt_injection`: signs of instructions in what should be data, weighed together.

Heuristics: they see the usual wording in some fifteen languages and nothing of a text that asks politely for the wrong
thing. What they catch and what they miss is measured by `guardrails eval`; a classifier may stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mcp_gateway.envelopes.safety.detectors.prompt_injection_languages import LANGUAGES
from mcp_gateway.envelopes.safety.detectors.prompt_injection_rules import RULES
from mcp_gateway.envelopes.safety.detectors.prompt_injection_words import STEMS
from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.text.regex import Pattern

NEAR: Final = 1024
"""Characters within which signs support each other: in a long text, ten harmless ones do not add up."""

THRESHOLD: Final = 0.5
"""One strong sign or two weak ones."""

_LEET: Final = str.maketrans("013457@$", "oieastas")
_LEET_WORD: Final = Pattern(r"(?i)[a-z][013457@$]{1,2}[a-z]|\b[013457@$][a-z]{2}")


class PromptInjection:
    """Finds `injection_<sign>`, each sign of a neighbourhood whose score reaches the threshold."""

    __slots__ = ("_any", "_rules", "_threshold")

    name: Final = "prompt_injection"
    longest: Final = NEAR

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._rules = [
            (f"injection_{rule.sign}", rule.weight, Pattern(rule.expression)) for rule in (*RULES, *LANGUAGES)
        ]
        self._any = Pattern(STEMS)

    @classmethod
    def of(cls, config: Mapping[str, object]) -> PromptInjection:
        """From its configuration: `threshold` from 0 to 1 (default: 0.5; lower finds more).

        Raises:
            ValueError: an option is unknown or has no such value.
        """
        options = Options(config)
        threshold = options.fraction("threshold", default=THRESHOLD)
        options.finish()
        return cls(threshold)

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """The signs that count. Digits in place of letters are read as the letters they look like."""
        signs = self._signs(text, rest)
        if _LEET_WORD.within(text):
            signs += self._signs(text.translate(_LEET), rest)
        if not signs:
            return ()
        signs = sorted(set(signs), key=lambda sign: (sign[1].start, sign[1].end))
        return [
            finding
            for number, (_, finding) in enumerate(paced(signs, rest))
            if self._score(signs, number) >= self._threshold
        ]

    def score(self, text: str) -> float:
        """The highest score of any neighbourhood, from 0 to 1."""
        signs = sorted(set(self._signs(text, no_rest)), key=lambda sign: (sign[1].start, sign[1].end))
        return max((self._score(signs, number) for number in range(len(signs))), default=0.0)

    def _signs(self, text: str, rest: Rest) -> list[tuple[float, Finding]]:
        if not self._any.within(text):
            return []
        return [
            (weight, Finding(kind, start, end))
            for kind, weight, pattern in paced(self._rules, rest)
            for start, end in paced(pattern.spans(text), rest)
        ]

    @staticmethod
    def _score(signs: Sequence[tuple[float, Finding]], number: int) -> float:
        """Of the neighbourhood of one sign: how improbable it is that all different signs in it are accidents."""
        here = signs[number][1]
        strongest: dict[str, float] = {}
        for step in (-1, 1):
            at = number if step < 0 else number + 1
            while 0 <= at < len(signs) and abs(signs[at][1].start - here.start) <= NEAR:
                weight, finding = signs[at]
                strongest[finding.kind] = max(weight, strongest.get(finding.kind, 0.0))
                at += step
        accident = 1.0
        for weight in strongest.values():
            accident *= 1.0 - weight
        return 1.0 - accident
