"""`tools.lock`: the tool definitions that were accepted, as a file that people review.

JSON with sorted keys, indented, one entry per upstream and tool, so that a change of one definition is a change of
its lines. Each entry holds the definition itself and its digest; one that does not fit its digest is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mcp_gateway.core.canonical import Pin, fingerprint
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.strictjson import JsonError, JsonLimits, loads

NAME: Final = "tools.lock"

VERSION: Final = 1
"""The shape of the file; one that says another is refused, never guessed at."""

_LIMITS: Final = JsonLimits(depth=160, nodes=5_000_000, string=16 << 20, key=4096)
"""An upstream's own limits on each definition, and room for many of them."""

_REMAKE: Final = "restore it from version control, or remove it and run `mcp-gateway lock`"

Lock = Mapping[str, Mapping[str, Pin]]
"""Upstream → tool → what was accepted."""

MAX_BYTES: Final = 64 << 20
"""Largest file that is read."""


def written(lock: Lock) -> str:
    """The text of the file: the same for the same definitions, whatever their order."""
    upstreams = {
        upstream: {tool: {"sha256": pin.digest, "definition": pin.definition} for tool, pin in tools.items()}
        for upstream, tools in lock.items()
    }
    return json.dumps({"version": VERSION, "upstreams": upstreams}, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def read(data: bytes, file: str) -> Lock:
    """What the file's text accepts. Raises `ConfigurationError` with every problem; `file` is for messages."""
    try:
        document = loads(data, _LIMITS)
    except JsonError as error:
        line = 0 if error.offset is None else data.count(b"\n", 0, error.offset) + 1
        column = 0 if error.offset is None else error.offset - data.rfind(b"\n", 0, error.offset)
        raise ConfigurationError([Problem(file, line, column, f"not strict JSON: {error.message}", _REMAKE)]) from error
    if not isinstance(document, dict) or document.keys() != {"version", "upstreams"}:
        raise ConfigurationError([Problem(file, 1, 1, "expected `version` and `upstreams` and nothing else", _REMAKE)])
    version, upstreams = document["version"], document["upstreams"]
    if type(version) is not int or version != VERSION:
        raise ConfigurationError([Problem(file, 1, 1, f"expected version {VERSION} of this file", _REMAKE)])
    if not isinstance(upstreams, dict) or not all(isinstance(tools, dict) for tools in upstreams.values()):
        raise ConfigurationError([Problem(file, 1, 1, "`upstreams` holds a mapping of tools for each", _REMAKE)])
    problems = [
        Problem(file, *_place(data, upstream, tool), f"`{ascii(f'{upstream}/{tool}')[1:-1]}`: {wrong}", _REMAKE)
        for upstream, tools in upstreams.items()
        for tool, entry in tools.items()
        if (wrong := _wrong(tool, entry))
    ]
    if problems:
        raise ConfigurationError(problems)
    return MappingProxyType(
        {
            name: MappingProxyType({tool: Pin(entry["definition"], entry["sha256"]) for tool, entry in tools.items()})
            for name, tools in upstreams.items()
        }
    )


def contents(folder: Path, problems: list[Problem]) -> bytes | None:
    """The bytes of the lock in `folder`, None without one."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(Problem(str(path), 0, 0, f"cannot read the file: {error.strerror}"))
        return None
    if len(data) > MAX_BYTES:
        problems.append(Problem(str(path), 0, 0, f"larger than {MAX_BYTES} bytes", _REMAKE))
        return None
    return data


def write(folder: Path, lock: Lock) -> Path:
    """Put the lock of `folder` in place, whole or not at all. Raises OSError."""
    path = folder / NAME
    made = path.with_name(f".{NAME}.{os.getpid()}")
    try:
        with made.open("x", encoding="ascii") as file:
            file.write(written(lock))
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    return path


def read_into(data: bytes | None, file: str, problems: list[Problem]) -> Lock | None:
    """As `read`, with what is wrong added to `problems`; None without a file."""
    try:
        return None if data is None else read(data, file)
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def _wrong(tool: str, entry: object) -> str:
    """What is wrong with one entry; empty where nothing is."""
    if not isinstance(entry, dict) or entry.keys() != {"sha256", "definition"}:
        return "expected `definition` and `sha256` and nothing else"
    definition = entry["definition"]
    if not isinstance(definition, dict) or definition.get("name") != tool:
        return "its definition is that of another tool"
    return "" if entry["sha256"] == fingerprint(definition) else "its definition does not fit its `sha256`"


def _place(data: bytes, upstream: str, tool: str) -> tuple[int, int]:
    """Line and column of an entry in a file as `written` makes it; zeros in one of another layout."""
    outer = data.find(f"\n    {json.dumps(upstream)}: {{".encode())
    inner = data.find(f"\n      {json.dumps(tool)}: ".encode(), outer) if outer >= 0 else -1
    return (0, 0) if inner < 0 else (data.count(b"\n", 0, inner) + 2, 7)
