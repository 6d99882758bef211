"""The nodes of a syntax tree that a statement may hold. What is not listed is refused, also what is yet to come."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

QUERY: Final = frozenset(
    ("Add", "Adjacent", "Alias", "Aliases", "All", "Any", "AtTimeZone", "Between", "BitString", "BitwiseAnd",
     "BitwiseLeftShift", "BitwiseNot", "BitwiseOr", "BitwiseRightShift", "BitwiseXor", "Boolean", "Bracket",
     "ByteString", "CTE", "CharacterSet", "Column", "ColumnDef", "ColumnPrefix", "Connect", "Cube", "DPipe",
     "DataType", "DataTypeParam", "Distance", "Distinct", "Div", "Dot", "EQ", "Escape", "Except", "Fetch",
     "Filter", "FormatJson", "From", "FromTimeZone", "GT", "GTE", "Glob", "Group", "GroupingSets", "Having",
     "HavingMax", "HexString", "ILike", "Identifier", "IgnoreNulls", "In", "IntDiv", "Intersect", "Interval",
     "IntervalSpan", "Introducer", "Is", "JSON", "JSONColumnDef", "JSONExtractQuote", "JSONKeyValue", "JSONPath",
     "JSONPathFilter", "JSONPathKey", "JSONPathRecursive", "JSONPathRoot", "JSONPathSelector", "JSONPathSlice",
     "JSONPathSubscript", "JSONPathUnion", "JSONPathWildcard", "JSONSchema", "JSONValue", "Join", "Kwarg", "LT",
     "LTE", "Lambda", "Lateral", "Like", "Limit", "LimitOptions", "Literal", "Mod", "Mul", "NEQ", "National",
     "Neg", "Not", "Null", "NullSafeEQ", "NullSafeNEQ", "Offset", "OnCondition", "OpenJSONColumnDef", "Order",
     "Ordered", "Overlaps", "Parameter", "Paren", "Pivot", "PivotAlias", "PivotAny", "Placeholder",
     "PositionalColumn", "Prior", "Pseudocolumn", "Qualify", "RawString", "RespectNulls", "Rollup", "Select",
     "Semicolon", "SimilarTo", "Slice", "Star", "Sub", "Subquery", "Table", "TableAlias",
     "TableSample", "Tuple", "Union", "UnpivotColumns", "Values", "Var", "Version", "Where", "Window",
     "WindowSpec", "With", "WithinGroup",)
)  # fmt: skip
"""Of a query: it reads and changes nothing. Not here: `Into`, `Lock`, hints, `SessionParameter`, `Command`."""

WRITES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "insert": frozenset(("Insert", "OnConflict", "Returning", "Schema")),
        "update": frozenset(("Returning", "Update")),
        "delete": frozenset(("Delete", "Returning")),
        "merge": frozenset(("Insert", "Merge", "Returning", "Schema", "Update", "When", "Whens")),
        "create": frozenset(
            (
                "AutoIncrementColumnConstraint",
                "CheckColumnConstraint",
                "ColumnConstraint",
                "CommentColumnConstraint",
                "Constraint",
                "Create",
                "DefaultColumnConstraint",
                "ForeignKey",
                "GeneratedAsIdentityColumnConstraint",
                "Index",
                "IndexParameters",
                "NotNullColumnConstraint",
                "PrimaryKey",
                "PrimaryKeyColumnConstraint",
                "Reference",
                "Schema",
                "UniqueColumnConstraint",
            )
        ),
        "drop": frozenset(("Drop",)),
        "truncate": frozenset(("TruncateTable",)),
        "alter": frozenset(
            (
                "AddConstraint",
                "Alter",
                "AlterColumn",
                "AlterRename",
                "CheckColumnConstraint",
                "ColumnConstraint",
                "Constraint",
                "DefaultColumnConstraint",
                "Drop",
                "ForeignKey",
                "NotNullColumnConstraint",
                "PrimaryKey",
                "PrimaryKeyColumnConstraint",
                "Reference",
                "RenameColumn",
                "Schema",
                "UniqueColumnConstraint",
            )
        ),
        "grant": frozenset(("Grant", "GrantPrincipal", "GrantPrivilege")),
        "revoke": frozenset(("GrantPrincipal", "GrantPrivilege", "Revoke")),
    }
)
"""What each further statement adds once it is allowed."""

ROOTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Select": "select",
        "Union": "select",
        "Except": "select",
        "Intersect": "select",
        "Subquery": "select",
        "Values": "select",
        "Insert": "insert",
        "Update": "update",
        "Delete": "delete",
        "Merge": "merge",
        "Create": "create",
        "Drop": "drop",
        "TruncateTable": "truncate",
        "Alter": "alter",
        "Grant": "grant",
        "Revoke": "revoke",
    }
)
"""The statement that a root of this kind is."""

STATEMENTS: Final = ("select", *WRITES)
"""The names of statements in the configuration."""

UNSAFE_ARGUMENTS: Final = frozenset(
    ("format", "hint", "hints", "into", "locks", "overwrite", "settings", "changes", "when", "is_function")
)
"""Parts of a node that are not nodes of their own kind, or hold ordinary ones, and do more than read."""
