"""The caps of the house, as functions from one source text to the list of its faults. There is no waiver list."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

FILE_LINES = 400
FUNCTION_LINES = 60

_SUPPRESSION = re.compile(
    r"#\s*(type:\s*ignore(\[[\w\-, ]+\])?|noqa(:\s*[A-Z]+\d+(\s*,\s*[A-Z]+\d+)*)?|pragma:\s*no\s+\w+)"
)
# Two words make a reason; a code alone does not.
_REASON = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}")


def faults(source: str) -> list[str]:
    """Everything that is wrong with one file, as `line: what`."""
    tree = ast.parse(source)
    lines = source.count("\n") + (not source.endswith("\n") and source != "")
    long_file = [f"1: {lines} lines, the cap is {FILE_LINES}"] if lines > FILE_LINES else []
    return [*long_file, *_long_functions(tree), *_buried_imports(tree), *_silent_suppressions(source)]


def _long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {length} lines, the cap is {FUNCTION_LINES}"


def _buried_imports(tree: ast.Module) -> Iterator[str]:
    allowed = {id(node) for node in tree.body}
    for statement in tree.body:
        if isinstance(statement, ast.If) and _is_type_checking(statement.test):
            allowed.update(id(node) for node in statement.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in allowed:
            yield f"{node.lineno}: an import below the top of the module"


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _silent_suppressions(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        found = list(_SUPPRESSION.finditer(token.string))
        if found and not _REASON.search(token.string[found[-1].end() :]):
            yield f"{token.start[0]}: {token.string.strip()!r} gives no reason"
