"""Words that have no place in the repository: who or what wrote it, where it was written, where packages come from.

Every word is put together here from parts, so that this file does not contain it.
"""

import json
import re
from collections.abc import Iterator

_WORDS = (
    # Assistants. A model's name (with a hyphen after the family) and a provider's are data that a gateway speaks of.
    r"\bclau" + r"de\b(?!-)",
    r"\bchat" + r"gpt\b",
    r"\bco" + r"pilot\b",
    r"\bgemini " + r"cli\b",
    r"\bcodex " + r"cli\b",
    r"\bai[ -]" + r"(assistant|generated|written|authored)",
    r"\b(coding|code) " + r"assistant\b",
    r"\bwritten by " + r"an? (ai|llm|agent)\b",
    r"\bco-authored" + r"-by\b",
    # The place where it was written.
    r"(?<![\w.])/wo" + r"rk/",
    r"(?<![\w.])/tmp/" + r"(plan|clone)\b",
    r"/opt/" + r"wheels",
    r"(?<![\w.])/ro" + r"ot/",
    # Where packages come from.
    r"py" + r"pi\.org",
    r"files\.python" + r"hosted",
    r"registry\.npm" + r"js",
    r"registry\.yarn" + r"pkg",
)
_FORBIDDEN = re.compile("|".join(f"(?:{word})" for word in _WORDS), re.IGNORECASE)


def words(text: str) -> Iterator[str]:
    """Every forbidden word in a text, as `line: word`."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in _FORBIDDEN.finditer(line):
            yield f"{number}: {found[0]!r}"


def addresses(name: str, text: str) -> Iterator[str]:
    """Every place in a lock file (`requirements/*.txt`, `package-lock.json`) that says where a package comes from."""
    if name.endswith("package-lock.json"):
        for path, package in json.loads(text).get("packages", {}).items():
            if "resolved" in package and not package.get("link"):
                yield f"{path or '.'}: resolved"
        return
    for number, line in enumerate(text.splitlines(), 1):
        if "://" in line or re.match(r"\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", line):
            yield f"{number}: {line.strip()}"
