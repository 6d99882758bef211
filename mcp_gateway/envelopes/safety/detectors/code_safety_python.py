"""Dangerous calls in what parses as Python: under other names, through `getattr`, through `__import__`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.text.regex import Pattern

MOST_CHARACTERS: Final = 32 * 1024
"""Of a text that is parsed: some 20 ms of work. Longer ones have the rules only."""

_MOST_NESTING: Final = 60
"""Brackets. Far below what the parser of the language accepts, and more than people write."""

_WORTH_IT: Final = Pattern(r"\b(?:import|getattr|eval|exec|compile|__\w{2,40}__|builtins)\b")
_ODD_ESCAPE: Final = re.compile(r"\\(?![\n\\'\"abfnrtvxuUN0-7])")

_DANGEROUS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "eval": "code_eval", "exec": "code_exec", "__import__": "code_import", "builtins.eval": "code_eval",
        "builtins.exec": "code_exec", "builtins.compile": "code_compile", "builtins.__import__": "code_import",
        "os.system": "code_command", "os.popen": "code_command", "os.startfile": "code_command",
        "os.posix_spawn": "code_command", "os.posix_spawnp": "code_command", "pty.spawn": "code_command",
        "subprocess.run": "code_command", "subprocess.call": "code_command", "subprocess.Popen": "code_command",
        "subprocess.check_call": "code_command", "subprocess.check_output": "code_command",
        "subprocess.getoutput": "code_command", "subprocess.getstatusoutput": "code_command",
        "asyncio.create_subprocess_shell": "code_command", "asyncio.create_subprocess_exec": "code_command",
        "pickle.loads": "code_unpickle", "pickle.load": "code_unpickle", "marshal.loads": "code_unpickle",
        "marshal.load": "code_unpickle", "shutil.rmtree": "code_delete", "ctypes.CDLL": "code_native",
        **{f"os.{verb}{suffix}": "code_command" for verb in ("exec", "spawn")
           for suffix in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")},
    }
)  # fmt: skip

_MODULES: Final = frozenset(
    ("os", "subprocess", "pty", "builtins", "pickle", "marshal", "shutil", "ctypes", "posix", "asyncio")
)


def python_calls(text: str) -> Sequence[Finding]:
    """The dangerous calls in `text` if it is Python; nothing if it is not."""
    if len(text) > MOST_CHARACTERS or not _WORTH_IT.within(text) or _is_nested(text):
        return ()
    try:
        # What is no escape makes the compiler warn, with the text in the warning. The length stays.
        tree = ast.parse(_ODD_ESCAPE.sub("/", text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    lines = _line_starts(text)
    names = dict(_imported(tree))
    return [
        Finding(kind, *_span(lines, node))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (kind := _DANGEROUS.get(_called(node.func, names, 0))) is not None
    ]


def _is_nested(text: str) -> bool:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest > _MOST_NESTING


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What names stand for: by imports, and by plain assignments of one of those."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = _called(node.value, {}, 0)
            if name in _DANGEROUS or name in _MODULES:
                yield node.targets[0].id, name


def _called(function: ast.expr, names: Mapping[str, str], depth: int) -> str:
    """The dotted name of what is called; empty where there is none."""
    if depth > 8:
        return ""
    if isinstance(function, ast.Name):
        return names.get(function.id, function.id)
    if isinstance(function, ast.Attribute):
        return _member(_called(function.value, names, depth + 1), function.attr)
    if isinstance(function, ast.Call):
        maker = _called(function.func, names, depth + 1)
        if maker in ("getattr", "builtins.getattr") and len(function.args) >= 2:
            return _member(_called(function.args[0], names, depth + 1), _text(function.args[1]))
        if maker in ("__import__", "builtins.__import__", "importlib.import_module") and function.args:
            return _text(function.args[0])
    if isinstance(function, ast.Subscript):
        return _member(_called(function.value, names, depth + 1), _text(function.slice))
    return ""


def _member(owner: str, name: str) -> str:
    owner = {"__builtins__": "builtins", "posix": "os", "__builtins__.__dict__": "builtins"}.get(owner, owner)
    owner = owner.removesuffix(".__dict__")
    return f"{owner}.{name}" if owner and name else ""


def _text(node: ast.expr) -> str:
    """A string, also one that is put together from strings."""
    pieces: list[str] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            waiting += (part.left, part.right)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            pieces.append(part.value)
        else:
            return ""
    return "".join(reversed(pieces))


def _line_starts(text: str) -> Sequence[tuple[int, str]]:
    """Where each line begins, and the line: as the parser counts them, which does so in bytes of UTF-8."""
    starts, at = [], 0
    for line in re.split("(?<=\n)", text.replace("\r\n", " \n").replace("\r", "\n")):
        starts.append((at, line))
        at += len(line)
    return starts


def _span(lines: Sequence[tuple[int, str]], node: ast.Call) -> tuple[int, int]:
    return _place(lines, node.lineno, node.col_offset), _place(
        lines, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    )


def _place(lines: Sequence[tuple[int, str]], number: int, column: int) -> int:
    start, line = lines[min(number, len(lines)) - 1]
    return start + (
        column if line.isascii() else len(line.encode("utf-8", "replace")[:column].decode("utf-8", "ignore"))
    )
