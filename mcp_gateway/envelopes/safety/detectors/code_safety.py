"""Guard type `code_safety`: code that runs other code, commands or deletions, in Python, shell and JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mcp_gateway.envelopes.safety.detectors.code_safety_python import python_calls
from mcp_gateway.envelopes.safety.detectors.code_safety_rules import LANGUAGES, RULES, Language
from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest, paced
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.text.regex import Pattern

LONGEST: Final = 512
"""Characters within which a rule knows what it has before it."""


class CodeSafety:
    """Finds `code_<what>`. Rules read the text as it stands; what parses as Python is looked through as a tree as well.

    A linter, not a sandbox: it knows the usual ways, and code that wants to can hide from it.
    """

    __slots__ = ("_any", "_languages", "_rules")

    name: Final = "code_safety"
    longest: Final = LONGEST

    def __init__(self, languages: Sequence[Language]) -> None:
        rules = [rule for rule in RULES if rule.language in languages]
        self._languages = frozenset(languages)
        self._rules = [(rule.kind, Pattern(rule.expression)) for rule in rules]
        self._any = Pattern("|".join(f"(?:{rule.expression})" for rule in rules))

    @classmethod
    def of(cls, config: Mapping[str, object]) -> CodeSafety:
        """From its configuration: `languages` (default: all of python, shell, javascript).

        Raises:
            ValueError: an option is unknown or has no such value.
        """
        options = Options(config)
        names = options.words("languages", LANGUAGES, default=LANGUAGES)
        options.finish()
        if not names:
            raise ValueError("`languages` is empty")
        return cls([language for language in Language if language.value in names])

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """What the rules match and what the tree holds; the two may overlap."""
        found: list[Finding] = []
        if self._any.within(text):
            found += [
                Finding(kind, start, end) for kind, rule in self._rules for start, end in paced(rule.spans(text), rest)
            ]
        rest()
        if Language.PYTHON in self._languages:
            found += python_calls(text)
        return found
