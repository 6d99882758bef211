"""Guard type `regex`: expressions of the admin's own and well-known ones by name, in linear time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_gateway.envelopes.safety.detectors.regex_presets import PRESETS
from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.text.regex import Pattern

LONGEST: Final = 1024
"""What a stream holds back: an expression says nothing of how long its matches are. Whole texts have no such bound."""

MOST_PATTERNS: Final = 200
_MOST_CHARACTERS: Final = 2048
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLAIN_LABEL: Final = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]{0,64}')


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression; `label` replaces what it matches, None for the usual placeholder."""

    kind: str
    pattern: Pattern
    label: str | None = None


class Regex:
    """Finds what its expressions match, each for itself; matches of different ones may overlap."""

    __slots__ = ("_any", "_expressions", "_labels")

    name: Final = "regex"
    longest: Final = LONGEST

    def __init__(self, expressions: Sequence[Expression], gate: Pattern | None = None) -> None:
        """`gate` matches wherever one of the expressions does: most texts need no more than that."""
        self._expressions = tuple(expressions)
        self._any = gate
        self._labels = {one.kind: one.label for one in expressions if one.label is not None}

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Regex:
        """From its configuration.

        `preset_patterns: {presets: […]}` or `presets: […]` name expressions of `PRESETS`. `custom_patterns` is a list
        of `{pattern, redaction_text, name}`, of which only `pattern` (RE2 syntax) is mandatory.

        Raises:
            ValueError: an option is unknown or has no such value, or nothing is looked for.
        """
        options = Options(config)
        nested = Options(options.mapping("preset_patterns"))
        names = dict.fromkeys((*options.words("presets", PRESETS), *nested.words("presets", PRESETS)))
        customs = options.mappings("custom_patterns")
        nested.finish()
        options.finish()
        if not names and not customs:
            raise ValueError("there is neither a name in `presets` nor an expression in `custom_patterns`")
        if len(customs) > MOST_PATTERNS:
            raise ValueError(f"`custom_patterns` may hold {MOST_PATTERNS} expressions")
        sources: list[tuple[str, str, str | None]] = [(name, PRESETS[name], None) for name in names]
        sources += [_custom(number, custom) for number, custom in enumerate(customs, 1)]
        expressions = [Expression(kind, Pattern(source), label) for kind, source, label in sources]
        _refuse_clashes(expressions)
        return cls(expressions, _gate([source for _, source, _ in sources]))

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """Every match of every expression."""
        if self._any is not None and not self._any.within(text):
            return ()
        return [
            Finding(one.kind, start, end)
            for one in self._expressions
            for start, end in paced(one.pattern.spans(text), rest)
            if end > start
        ]

    def label(self, finding: Finding) -> str | None:
        """The redaction text of the expression behind `finding`; None for the usual placeholder."""
        return self._labels.get(finding.kind)


def _gate(sources: Sequence[str]) -> Pattern | None:
    """All expressions in one; None where that would be too large, or where they would disturb each other."""
    try:
        return Pattern("|".join(f"(?:{source})" for source in sources))
    except ValueError:
        return None


def _custom(number: int, config: Mapping[str, object]) -> tuple[str, str, str | None]:
    options = Options(config)
    source = options.text("pattern", default="")
    label = options.text("redaction_text", default="") if "redaction_text" in config else None
    kind = options.text("name", default=f"custom_{number}")
    options.finish()
    if not source or len(source) > _MOST_CHARACTERS:
        raise ValueError(f"expression {number} of `custom_patterns` is empty or too long")
    if not _KIND.fullmatch(kind):
        raise ValueError(
            f"the name of expression {number} of `custom_patterns` must be of lower-case letters, digits, _"
        )
    if label is not None and not _PLAIN_LABEL.fullmatch(label):
        raise ValueError(
            f"`redaction_text` of expression {number} must be at most 64 characters, no quotes or backslashes"
        )
    try:
        pattern = Pattern(source)
    except ValueError as error:
        raise ValueError(f"expression {number} of `custom_patterns` is {error}") from None
    if pattern.within(""):
        raise ValueError(f"expression {number} of `custom_patterns` matches the empty text")
    return kind, source, label


def _refuse_clashes(expressions: Sequence[Expression]) -> None:
    """One kind twice would be one label for two; a label that an expression matches would never be at rest."""
    kinds = [one.kind for one in expressions]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice is not None:
        raise ValueError(f"the name `{twice}` stands for more than one expression")
    for one in expressions:
        if one.label and any(other.pattern.within(one.label) for other in expressions):
            raise ValueError(f"the redaction text of `{one.kind}` is itself matched by an expression")
