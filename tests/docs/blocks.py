"""The fenced blocks of a Markdown page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"#\s+(?P<file>[\w./-]+\.ya?ml)\b")


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `file` is the name that a YAML block gives itself in its first line, else None."""

    page: Path
    language: str
    text: str

    @property
    def file(self) -> str | None:
        match = _FILE.match(self.text)
        return match["file"] if match else None


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of `page` in these languages, in their order."""
    found = (Block(page, each["language"], each["text"]) for each in _FENCE.finditer(page.read_text()))
    return [block for block in found if block.language in languages]
