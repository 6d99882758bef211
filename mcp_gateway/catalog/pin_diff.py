"""What changed in a definition, line by line, for people to read. Pure; safe to print on any terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from mcp_gateway.catalog.pins import Drift, Drifted

MAX_LINES: Final = 20
"""Most differences shown of one definition: a rewritten one is to be read whole."""

MAX_SHOWN: Final = 160
"""Most characters of one path or one value that are shown."""

_DEPTH: Final = 32
"""Deeper than this a difference is shown as one of the whole value; bounds our own recursion."""

_NOTHING: Final = "nothing"


def readable(before: object, after: object) -> tuple[str, ...]:
    """``path: old → new`` for everything that differs, at most `MAX_LINES` and a line that says so."""
    lines: list[str] = []
    for path, old, new in _differences("", before, after, 0):
        if len(lines) == MAX_LINES:
            lines.append("… and more")
            break
        lines.append(f"{visible(path or '/')}: {old} → {new}")
    return tuple(lines)


def differences(drifted: Drifted) -> tuple[str, ...]:
    """What changed in a tool; nothing of one that is new or gone."""
    return readable(drifted.pinned, drifted.received) if drifted.drift is Drift.CHANGED else ()


def visible(text: str) -> str:
    """`text`, clipped, with everything that would not be seen or would move the cursor written as ``\\u{200b}``."""
    shown = "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text[:MAX_SHOWN])
    return shown if len(text) <= MAX_SHOWN else f"{shown}…"


def _differences(path: str, old: object, new: object, depth: int) -> Iterator[tuple[str, str, str]]:
    if depth < _DEPTH and isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in new:
                yield inner, _text(old[key]), _NOTHING
            elif key not in old:
                yield inner, _NOTHING, _text(new[key])
            else:
                yield from _differences(inner, old[key], new[key], depth + 1)
    elif depth < _DEPTH and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{path}/{index}", one, other, depth + 1)
    elif _written(old) != _written(new):
        yield path, _text(old), _text(new)


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _text(value: object) -> str:
    return visible(_written(value))
