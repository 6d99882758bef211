"""One parsed statement against the lists: which statement it is, every node, every function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from mcp_gateway.envelopes.safety.detectors.sql_functions import NAMED, TYPED
from mcp_gateway.envelopes.safety.detectors.sql_nodes import QUERY, ROOTS, STATEMENTS, UNSAFE_ARGUMENTS, WRITES

_SEQUENCE: Final = frozenset(("nextval", "currval"))
"""``sequence.nextval`` looks like a column and moves the sequence."""

_ORACLE_LINK: Final = "@"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$ ")

_FILES: Final = frozenset(
    ("arrow", "avro", "csv", "db", "duckdb", "feather", "gz", "json", "jsonl", "ndjson", "parquet", "sqlite", "tsv",
     "txt", "xlsx", "zst")
)  # fmt: skip
"""A table of such a name in a schema is a file to DuckDB: ``FROM secrets.csv``."""

_COMPARED: Final = (exp.Where, exp.Having, exp.Qualify, exp.Values, exp.Join, exp.Update)
"""Where a literal should have been a parameter."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the configuration allows. `nodes` and `functions` are complete; a function's name is in lower case."""

    dialect: str
    statements: frozenset[str]
    nodes: frozenset[str]
    functions: frozenset[str]
    where: frozenset[str]
    parameters: bool

    @classmethod
    def of(
        cls,
        dialect: str,
        statements: frozenset[str],
        functions: frozenset[str],
        where: frozenset[str],
        parameters: bool,
    ) -> Allowed:
        """The lists for these `statements`, of which those in `where` need a condition."""
        writes = [WRITES[name] for name in STATEMENTS if name in statements and name in WRITES]
        return cls(dialect, statements, QUERY.union(*writes), functions, where, parameters)


def fault(statement: exp.Expr, allowed: Allowed) -> str | None:
    """The first reason why `statement` is not acceptable, one of `sql.REASONS`; None if there is none."""
    if ROOTS.get(type(statement).__name__) not in allowed.statements:
        return "sql_statement_not_allowed"
    for node in statement.walk():
        reason = _of_node(node, allowed)
        if reason:
            return reason
    return None


def _of_node(node: exp.Expr, allowed: Allowed) -> str | None:
    name = type(node).__name__
    if any(
        node.args.get(argument) for argument in UNSAFE_ARGUMENTS if argument in node.args and _refused(node, argument)
    ):
        return "sql_construct_not_allowed"
    if isinstance(node, exp.Func):
        return None if _is_allowed(node, allowed) else "sql_function_not_allowed"
    if isinstance(node, exp.PropertyEQ):
        # An argument by name; anywhere else, an assignment to a variable.
        return None if isinstance(node.parent, exp.Func) else "sql_construct_not_allowed"
    if isinstance(node, exp.Parameter) and isinstance(node.this, exp.Parameter):
        return "sql_construct_not_allowed"
    if name not in allowed.nodes:
        return "sql_construct_not_allowed"
    if name in ("Insert", "Update", "Delete", "Merge") and not isinstance(node.parent, exp.When):
        statement = name.lower()
        if statement not in allowed.statements:
            return "sql_statement_not_allowed"
        if statement in allowed.where and not node.args.get("where"):
            return "sql_without_where"
    if isinstance(node, exp.Table):
        return _of_table(node, allowed)
    if isinstance(node, exp.Column) and node.name.lower() in _SEQUENCE:
        return "sql_function_not_allowed"
    if allowed.parameters and isinstance(node, exp.Literal) and _stands_for_parameter(node):
        return "sql_literal"
    return None


def _stands_for_parameter(literal: exp.Literal) -> bool:
    """The number of ``$1`` is a literal too."""
    return not isinstance(literal.parent, exp.Parameter | exp.Placeholder) and bool(literal.find_ancestor(*_COMPARED))


def _refused(node: exp.Expr, argument: str) -> bool:
    """`format` and `when` mean something else in functions and in other nodes."""
    if argument in ("format", "settings"):
        return isinstance(node, exp.Query)
    if argument in ("when", "changes"):
        return isinstance(node, exp.Table)
    return True


def _is_allowed(node: exp.Func, allowed: Allowed) -> bool:
    """A qualified name is a function of somebody's own, whatever built-in it is called after."""
    qualifiers: list[str] = []
    outer = node.parent
    while isinstance(outer, exp.Dot) and outer.expression is node:
        qualifiers = [part.name.lower() for part in outer.this.find_all(exp.Identifier)]
        outer = None
    if isinstance(node.parent, exp.Table):
        qualifiers = [part for part in (node.parent.catalog.lower(), node.parent.db.lower()) if part]
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        if qualifiers:
            return ".".join((*qualifiers, name)) in allowed.functions
        quoted = isinstance(node.this, exp.Identifier) and bool(node.this.args.get("quoted"))
        return not quoted and (name in NAMED or name in allowed.functions)
    if qualifiers:
        return False
    return type(node).__name__ in TYPED or any(name.lower() in allowed.functions for name in node.sql_names())


def _of_table(table: exp.Table, allowed: Allowed) -> str | None:
    """Names of tables that are files, stages, links or other servers."""
    if isinstance(table.this, exp.Func):
        return None
    if not isinstance(table.this, exp.Identifier):
        return "sql_table_not_allowed"
    if allowed.dialect == "oracle" and _ORACLE_LINK in table.name:
        return "sql_table_not_allowed"
    if allowed.dialect in ("duckdb", "snowflake") and not _PLAIN.issuperset(table.catalog + table.db + table.name):
        return "sql_table_not_allowed"
    if allowed.dialect == "duckdb" and table.db and table.name.lower() in _FILES:
        return "sql_table_not_allowed"
    return None
