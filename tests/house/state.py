"""Mutable state of a module: what is assigned at its top level and could be changed by anyone who imports it."""

import ast
from collections.abc import Iterator

_LITERALS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MAKERS = frozenset(
    {
        "list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter", "ChainMap",
        "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "Queue", "count", "cycle",
    }
)  # fmt: skip
_MEMOS = frozenset({"cache", "lru_cache"})
# Read-only faces: with Final, the type checker refuses every change through the name.
_READ_ONLY = frozenset({"Mapping", "Sequence", "AbstractSet", "Collection", "Iterable", "Container"})


def mutable(source: str) -> list[str]:
    """Every mutable value that a module holds, as `line: what`."""
    tree = ast.parse(source)
    return [*_assignments(tree.body), *_rebindings(tree), *_memos(tree)]


def _assignments(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
            if names != ["__all__"] and _is_mutable(node.value):
                yield f"{node.lineno}: {', '.join(names)} is mutable state of the module"
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            if _is_mutable(node.value) and not _is_final_and_read_only(node.annotation):
                yield f"{node.lineno}: {ast.unparse(node.target)} is mutable state of the module"
        elif isinstance(node, ast.If):
            yield from _assignments([*node.body, *node.orelse])
        elif isinstance(node, ast.With | ast.For | ast.While):
            yield from _assignments(node.body)
        elif isinstance(node, ast.Try):
            handlers = [statement for handler in node.handlers for statement in handler.body]
            yield from _assignments([*node.body, *handlers, *node.orelse, *node.finalbody])


def _rebindings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"{node.lineno}: global {', '.join(node.names)} rebinds state of the module"


def _memos(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if _called(decorator) in _MEMOS:
                    yield f"{node.lineno}: {node.name} keeps its results in state of the module"


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp | ast.BoolOp | ast.IfExp | ast.NamedExpr | ast.Await):
        return any(_is_mutable(child) for child in ast.iter_child_nodes(value) if isinstance(child, ast.expr))
    return isinstance(value, _LITERALS) or (isinstance(value, ast.Call) and _called(value) in _MAKERS)


def _called(node: ast.expr) -> str:
    """The last name of what is called: `collections.deque[int](…)` → `deque`."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_final_and_read_only(annotation: ast.expr) -> bool:
    if not isinstance(annotation, ast.Subscript) or _called(annotation) != "Final":
        return False
    return _called(annotation.slice) in _READ_ONLY
